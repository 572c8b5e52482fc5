-- One row per schedule set and reading that the lines cannot tell from the leader: where they part, and by how much.
-- The leader's own row (`place` 1) has the quantity and the amount of its widest open question. Rivals that bill every quantity
-- of core_probe_quantities alike are one reading in other words: they have no row. One that only has no price where the leader has one
-- puts no amount at stake, and has no row either.
WITH billed AS (
    SELECT cases.set_no, cases.rule_no, cases.actual, rated.amount
    FROM core_probe_cases AS cases
    INNER JOIN core_probe_rated AS rated USING (case_id)
),
rivals AS (
    SELECT scores.set_no, scores.reading_no, scores.place, readings.rule_no
    FROM core_reading_scores AS scores
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    WHERE scores.is_rival
),
parted AS (
    SELECT
        rivals.set_no,
        rivals.reading_no,
        rivals.place,
        own.actual AS deciding_quantity,
        own.amount AS amount_there,
        led.amount AS leading_amount_there,
        abs(own.amount - led.amount) AS amount_at_stake
    FROM rivals
    INNER JOIN rivals AS leader ON leader.set_no = rivals.set_no AND leader.place = 1
    INNER JOIN billed AS own ON own.set_no = rivals.set_no AND own.rule_no = rivals.rule_no
    INNER JOIN billed AS led
        ON led.set_no = leader.set_no AND led.rule_no = leader.rule_no AND led.actual = own.actual
    WHERE own.amount <> led.amount
    QUALIFY row_number() OVER (PARTITION BY rivals.set_no, rivals.reading_no ORDER BY own.actual) = 1
),
leaders AS (
    SELECT
        parted.set_no,
        rivals.reading_no,
        1 AS place,
        min(parted.deciding_quantity) AS deciding_quantity,
        arg_min(parted.leading_amount_there, parted.deciding_quantity) AS amount_there,
        arg_min(parted.leading_amount_there, parted.deciding_quantity) AS leading_amount_there,
        max(parted.amount_at_stake) AS amount_at_stake
    FROM parted
    INNER JOIN rivals ON rivals.set_no = parted.set_no AND rivals.place = 1
    GROUP BY parted.set_no, rivals.reading_no
)
SELECT * FROM leaders
UNION ALL
SELECT * FROM parted
