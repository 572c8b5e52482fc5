-- One row per schedule set and quantity on which its candidate readings are tried.
-- All of them while they are few. Of more than 600 quantities of a set: those nearest to where readings part (each bound, with
-- and without the allowance, the allowance, nothing at all), and an even spread of the rest.
WITH landmarks AS (
    SELECT set_no, maximum::DECIMAL(28, 10) AS landmark FROM core_set_tiers WHERE maximum > 0
    UNION
    SELECT set_no, maximum + allowance FROM core_set_tiers WHERE maximum > 0
    UNION
    SELECT set_no, minimum::DECIMAL(28, 10) FROM core_set_tiers WHERE minimum > 0
    UNION
    SELECT set_no, minimum + allowance FROM core_set_tiers WHERE minimum > 0
    UNION
    SELECT set_no, allowance FROM core_set_tiers
    UNION
    SELECT set_no, 0 FROM core_set_tiers
),
ranked AS (
    SELECT
        set_no,
        actual,
        lines,
        count(*) OVER (PARTITION BY set_no) AS quantities,
        row_number() OVER (PARTITION BY set_no ORDER BY hash(actual), actual) AS spread
    FROM core_quantities
),
near AS (
    SELECT ranked.set_no, ranked.actual
    FROM ranked
    INNER JOIN landmarks USING (set_no)
    WHERE ranked.quantities > 600
    QUALIFY
        row_number() OVER (
            PARTITION BY ranked.set_no, landmark ORDER BY abs(ranked.actual - landmark), ranked.actual
        ) <= 6
)
SELECT set_no, actual, lines
FROM ranked
WHERE quantities <= 600
    OR spread <= 400
    OR (set_no, actual) IN (SELECT set_no, actual FROM near)
