-- One row per rate ladder and interpretation that fits the billed lines as well as the best one, and the first quantity at which the two
-- price differently. The leader's own row (`place` 1) has the quantity and amount of its widest difference. Candidates that bill every
-- quantity of core_probe_quantities alike are equivalent and have no row. Nor has one that differs only by having no price.
WITH billed AS (
    SELECT cases.set_no, cases.rule_no, cases.actual, rated.amount
    FROM core_probe_cases AS cases
    INNER JOIN core_probe_rated AS rated USING (case_id)
),
parted AS (
    SELECT
        tied.set_no,
        tied.reading_no,
        tied.place,
        own.actual AS deciding_quantity,
        own.amount AS amount_there,
        led.amount AS leading_amount_there,
        try(abs(own.amount - led.amount)) AS amount_at_stake
    FROM core_tied_readings AS tied
    INNER JOIN core_tied_readings AS leader ON leader.set_no = tied.set_no AND leader.place = 1
    INNER JOIN billed AS own ON own.set_no = tied.set_no AND own.rule_no = tied.rule_no
    INNER JOIN billed AS led
        ON led.set_no = leader.set_no AND led.rule_no = leader.rule_no AND led.actual = own.actual
    WHERE own.amount <> led.amount
    QUALIFY row_number() OVER (PARTITION BY tied.set_no, tied.reading_no ORDER BY own.actual) = 1
),
leaders AS (
    SELECT
        parted.set_no,
        tied.reading_no,
        1 AS place,
        min(parted.deciding_quantity) AS deciding_quantity,
        arg_min(parted.leading_amount_there, parted.deciding_quantity) AS amount_there,
        arg_min(parted.leading_amount_there, parted.deciding_quantity) AS leading_amount_there,
        max(parted.amount_at_stake) AS amount_at_stake
    FROM parted
    INNER JOIN core_tied_readings AS tied ON tied.set_no = parted.set_no AND tied.place = 1
    GROUP BY parted.set_no, tied.reading_no
)
SELECT * FROM leaders
UNION ALL
SELECT * FROM parted
