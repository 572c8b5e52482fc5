-- One row per quantity on trial and ladder on which it is tried: its own, and those that lines of that quantity show.
-- kept as: scratch
-- `case_quantity_no` is the quantity in trial_case; `ladder_shift` leads from a set's ladder_id to that of the ladder shown;
-- allowance, floor and cap are the ladder's. `change_no` is null on the set's own ladder.
-- `least_units` to `most_units` is what its lines bill, `least_of_blocks` to `most_of_blocks` the same if they count blocks; both are
-- wider by as much as blocks can round (can_bill). Null on a ladder shown, and on a ladder with an override: there all rules are tried.
WITH shown AS (
    SELECT DISTINCT set_no, actual, quantity_no, is_screened, change_no
    FROM core_trial_lines, unnest(change_nos) AS ladders (change_no)
),
billed AS (
    SELECT quantity_no, min(quantity_billed) AS least, max(quantity_billed) AS most
    FROM core_trial_lines
    ANTI JOIN core_overrides USING (set_no)
    GROUP BY quantity_no
),
blocks AS (
    -- how far blocks can round: each tier may count its own; 1 for what ten decimals cut off
    SELECT
        set_no,
        sum(greatest(block, 1)) + 1 AS rounded_by,
        min(CASE WHEN block > 0 THEN block ELSE 1 END) AS smallest,
        max(CASE WHEN block > 0 THEN block ELSE 1 END) AS largest
    FROM core_set_tiers
    GROUP BY set_no
)
SELECT
    quantities.quantity_no,
    NULL::INTEGER AS change_no,
    quantities.quantity_no AS case_quantity_no,
    quantities.set_no,
    quantities.actual,
    quantities.is_screened,
    0::BIGINT AS ladder_shift,
    sets.allowance,
    sets.first_minimum,
    sets.first_maximum,
    billed.least - blocks.rounded_by AS least_units,
    billed.most + blocks.rounded_by AS most_units,
    try((billed.least * blocks.smallest)::DECIMAL(38, 10)) - blocks.rounded_by AS least_of_blocks,
    try((billed.most * blocks.largest)::DECIMAL(38, 10)) + blocks.rounded_by AS most_of_blocks
FROM core_trial_quantities AS quantities
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN blocks USING (set_no)
LEFT JOIN billed USING (quantity_no)
UNION ALL
SELECT
    shown.quantity_no,
    shown.change_no,
    4294967296 + row_number() OVER (ORDER BY shown.quantity_no, shown.change_no),
    shown.set_no,
    shown.actual,
    shown.is_screened,
    -4 * (shown.set_no::BIGINT + shown.change_no),
    tiers.allowance,
    tiers.minimum,
    tiers.maximum,
    NULL,
    NULL,
    NULL,
    NULL
FROM shown
INNER JOIN core_changed_tiers AS tiers ON tiers.change_no = shown.change_no AND tiers.tier = 1
