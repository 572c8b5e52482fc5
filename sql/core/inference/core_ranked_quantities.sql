-- One row per rate ladder and quantity to try, with its rank; ladders of up to 64 quantities have a rank for each.
-- kept as: scratch
-- First the quantities within three blocks of a point where interpretations differ (a bound, with and without the allowance; the
-- allowance; 0). Then an even spread of about 400 others, so that the first n are the most informative.
WITH sizes AS (
    SELECT set_no, count(*) AS quantities
    FROM core_quantities
    GROUP BY set_no
),
landmarks AS (
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
reaches AS (
    SELECT landmarks.set_no, landmarks.landmark, 3 * greatest(sets.first_block, 1) AS reach
    FROM landmarks
    INNER JOIN core_sets AS sets USING (set_no)
),
near AS (
    SELECT
        quantities.set_no,
        quantities.actual,
        row_number() OVER (
            PARTITION BY quantities.set_no, reaches.landmark
            ORDER BY abs(quantities.actual - reaches.landmark), quantities.actual
        ) AS place
    FROM core_quantities AS quantities
    INNER JOIN reaches USING (set_no)
    WHERE abs(quantities.actual - reaches.landmark) <= reaches.reach
    QUALIFY place <= 6
),
nearest AS (
    SELECT set_no, actual, min(place) AS place
    FROM near
    GROUP BY set_no, actual
),
chosen AS (
    SELECT
        quantities.set_no,
        quantities.actual,
        quantities.lines,
        sizes.quantities,
        nearest.place
    FROM core_quantities AS quantities
    INNER JOIN sizes USING (set_no)
    LEFT JOIN nearest USING (set_no, actual)
    WHERE sizes.quantities <= 64
        OR hash(quantities.actual) % sizes.quantities::UBIGINT < 400 -- signed, DuckDB would divide 128 bits
        OR nearest.place IS NOT NULL
)
SELECT
    set_no,
    actual,
    lines,
    quantities,
    row_number() OVER (
        PARTITION BY set_no
        ORDER BY
            -- a neighbour of each landmark for every eighth of the spread, the nearest first
            least(coalesce(place * 8, 2147483647), spread),
            spread
    ) AS turn
FROM (
    SELECT *, row_number() OVER (PARTITION BY set_no ORDER BY hash(actual), actual) AS spread
    FROM chosen
)
