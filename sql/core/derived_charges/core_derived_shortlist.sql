-- One row per rate ladder of a derived charge and candidate interpretation that is tried on all its lines: at most 60,
-- and as many true-ups.
-- On the sample it explains at least three fifths of the amounts that the best candidate explains, or it can be tied
-- with the candidate that fits most lines: what it misses of those must be fewer lines than the others (is_tied_with_leader), or one; for
-- a minimum billed whole at most three times as many, as a leading true-up may lose to it a fifth of the lines (core_derived_ranks). The
-- user's override is always kept, and so is the true-up beside a base of which another rule is kept (core_derived_ranks).
-- A subtotal always equals an Actual that is wrong with it. So its Actual counts as its base only where no sum of charges explains two
-- of its lines.
WITH screened AS (
    SELECT
        screened.*,
        readings.base,
        readings.rule,
        coalesce(list_has_all(readings.words, overrides.words), false) AS is_override
    FROM core_derived_screened AS screened
    INNER JOIN core_derived_readings AS readings USING (reading_no)
    LEFT JOIN core_overrides AS overrides USING (set_no)
    QUALIFY readings.kind <> 'subtotal' OR readings.base <> 'shown_actual' OR is_override
        OR coalesce(
            max(screened.lines_explained) FILTER (WHERE readings.base <> 'shown_actual') OVER (PARTITION BY screened.set_no), 0
        ) < 2
),
ranked AS (
    SELECT
        *,
        max(lines_fit) OVER (PARTITION BY set_no) AS most_fit,
        max(lines_explained) OVER (PARTITION BY set_no) AS most_explained,
        row_number() OVER (PARTITION BY set_no ORDER BY lines_fit DESC, lines_explained DESC, reading_no) AS place
    FROM screened
),
kept AS (
    SELECT
        set_no,
        reading_no,
        base,
        rule,
        (
            (
                (lines_fit > 0 AND lines_explained * 5 >= most_explained * 3)
                OR most_fit - lines_fit < greatest(lines - most_fit, 2)
                OR (rule IN ('whole_when_below', 'always') AND most_fit - lines_fit <= (lines - most_fit) * 3)
            )
            AND place <= 60
        )
        OR is_override AS is_kept
    FROM ranked
)
SELECT set_no, reading_no
FROM kept
QUALIFY is_kept OR (rule = 'true_up' AND bool_or(is_kept) OVER (PARTITION BY set_no, base))
