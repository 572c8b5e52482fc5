-- One row per rate ladder with tied candidates and quantity at which they are compared.
-- Quantities where interpretations can differ: around each bound, with and without the allowance, around the allowance, inside and at the edge
-- of blocks, around floor and cap, and in the middle of every tier. Only whole quantities if the measure never showed a
-- fraction: a quantity that cannot occur decides nothing.
WITH disputed AS (
    SELECT set_no
    FROM core_tied_readings
    GROUP BY set_no
    HAVING count(*) > 1
),
landmarks AS (
    SELECT set_no, 0::DECIMAL(28, 10) AS landmark FROM disputed
    UNION
    SELECT set_no, maximum FROM core_set_tiers SEMI JOIN disputed USING (set_no) WHERE maximum > 0
    UNION
    SELECT set_no, minimum FROM core_set_tiers SEMI JOIN disputed USING (set_no)
    UNION
    SELECT set_no, maximum * 2 FROM core_set_tiers SEMI JOIN disputed USING (set_no) WHERE maximum > 0
    UNION
    SELECT set_no, (maximum + minimum) * 0.5 FROM core_set_tiers SEMI JOIN disputed USING (set_no) WHERE maximum > minimum
    UNION
    SELECT set_no, max(actual) FROM core_quantities SEMI JOIN disputed USING (set_no) GROUP BY set_no
),
allowed AS (
    SELECT set_no, landmark FROM landmarks
    UNION
    SELECT set_no, landmarks.landmark + tiers.allowance
    FROM landmarks
    INNER JOIN core_set_tiers AS tiers USING (set_no)
),
steps AS (
    SELECT set_no, step
    FROM disputed
    CROSS JOIN (VALUES (0.0), (1), (2), (3), (7), (10), (0.5), (0.25), (1.75)) AS given (step)
    UNION
    SELECT set_no, try(block * share)
    FROM core_set_tiers
    SEMI JOIN disputed USING (set_no)
    CROSS JOIN (VALUES (0.25), (0.5), (0.75), (1), (1.5), (2), (3.25)) AS given (share)
    WHERE block > 0
),
probes AS (
    SELECT set_no, allowed.landmark + steps.step AS quantity
    FROM allowed
    INNER JOIN steps USING (set_no)
    UNION
    SELECT set_no, allowed.landmark - steps.step
    FROM allowed
    INNER JOIN steps USING (set_no)
)
SELECT DISTINCT
    set_no,
    -- each cast by itself: floor has 38 digits before the point, which would leave the other branch no decimals
    CASE WHEN sets.has_fractions THEN try_cast(quantity AS DECIMAL(28, 10)) ELSE try_cast(floor(quantity) AS DECIMAL(28, 10)) END
        AS quantity
FROM probes
INNER JOIN core_sets AS sets USING (set_no)
WHERE probes.quantity >= 0 AND probes.quantity < 1000000000000000000
