-- One row per ladder and tier, in the form of the rating: a rate ladder, divided by the bounds that a reading uses.
-- Ladders that lines show with one number replaced (core_changed_tiers) are here too, with 4 x -change_no in place of 4 x set_no.
-- ladder_id = 4 x set_no + 2 if tiers begin at their Minimum (otherwise they end at their Maximum) + 1 if Rate is the fee of the step.
-- minimum is null, because a ladder has one set of bounds, whichever the reading uses; gaps and overlaps between the two are separate
-- findings. A single schedule is open: its bounds limit the quantity, if anything.
WITH ladders AS (
    SELECT set_no::BIGINT AS ladder_no, set_no, tier, minimum, maximum, rate, flat, block
    FROM core_set_tiers
    UNION ALL
    SELECT -change_no::BIGINT, set_no, tier, minimum, maximum, rate, flat, block
    FROM core_changed_tiers
),
cuts AS (
    SELECT
        *,
        lead(minimum) OVER ladder AS next_minimum,
        lead(tier) OVER ladder IS NULL AS is_last
    FROM ladders
    WINDOW ladder AS (PARTITION BY ladder_no ORDER BY tier)
)
SELECT
    cuts.ladder_no * 4 + CASE WHEN cut.at_minimum THEN 2 ELSE 0 END + CASE WHEN price.is_flat THEN 1 ELSE 0 END AS ladder_id,
    tier,
    NULL::DECIMAL(28, 10) AS minimum,
    CASE
        WHEN sets.tiers = 1 THEN NULL
        WHEN is_last THEN nullif(maximum, 0) + CASE WHEN cut.at_minimum AND sets.is_in_whole_units THEN 1 ELSE 0 END
        WHEN cut.at_minimum THEN nullif(next_minimum, 0)
        ELSE nullif(maximum, 0)
    END::DECIMAL(28, 10) AS maximum,
    CASE WHEN price.is_flat THEN 0 ELSE cuts.rate END::DECIMAL(28, 10) AS rate,
    CASE WHEN price.is_flat THEN cuts.rate ELSE cuts.flat END::DECIMAL(28, 10) AS flat,
    cuts.block
FROM cuts
INNER JOIN core_sets AS sets USING (set_no)
CROSS JOIN (VALUES (false), (true)) AS cut (at_minimum)
CROSS JOIN (VALUES (false), (true)) AS price (is_flat)
WHERE sets.kind NOT IN ('percentage', 'subtotal', 'minimum')
