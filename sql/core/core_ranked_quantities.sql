-- One row per schedule set and quantity on its lines, with its turn to be tried.
-- `turn` begins at the quantities nearest to where readings part (each bound, with and without the allowance; the allowance;
-- nothing at all), then goes evenly over the rest: the first n turns tell as much as n quantities can.
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
spread AS (
    SELECT
        set_no,
        actual,
        lines,
        row_number() OVER (PARTITION BY set_no ORDER BY hash(actual), actual) AS place
    FROM core_quantities
),
near AS (
    SELECT
        quantities.set_no,
        quantities.actual,
        row_number() OVER (
            PARTITION BY quantities.set_no, landmarks.landmark
            ORDER BY abs(quantities.actual - landmarks.landmark), quantities.actual
        ) AS place
    FROM core_quantities AS quantities
    INNER JOIN landmarks USING (set_no)
    QUALIFY place <= 6
),
nearest AS (
    SELECT set_no, actual, min(place) AS place
    FROM near
    GROUP BY set_no, actual
)
SELECT
    spread.set_no,
    spread.actual,
    spread.lines,
    count(*) OVER (PARTITION BY spread.set_no) AS quantities,
    row_number() OVER (
        PARTITION BY spread.set_no
        ORDER BY least(coalesce(nearest.place * 8, 2147483647), spread.place), spread.place
    ) AS turn
FROM spread
LEFT JOIN nearest USING (set_no, actual)
