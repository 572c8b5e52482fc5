-- One row per distinct billed figures of lines, other rate ladder in force that may price them (core_other_terms, `is_open`), and
-- interpretation of it that gives them: quantity billed, and amount by `roundings`.
-- kept as: scratch
-- `is_read_alike`: the two ladders have as many tiers, and neither states a model that the other does not, so they are read alike.
WITH billed AS (
    SELECT DISTINCT other.terms_no, other.set_no, other.other_set_no, lines.actual, lines.quantity_billed, lines.amount
    FROM core_other_terms AS other
    INNER JOIN core_lines AS lines USING (terms_no)
    WHERE other.is_open
)
SELECT
    billed.terms_no,
    billed.set_no,
    billed.other_set_no,
    billed.actual,
    billed.quantity_billed,
    billed.amount,
    readings.reading_no,
    any_value(own.tiers = others.tiers AND own.contract_model IS NOT DISTINCT FROM others.contract_model) AS is_read_alike,
    list(roundings.rounding_no) AS roundings
FROM billed
INNER JOIN core_sets AS own ON own.set_no = billed.set_no
INNER JOIN core_sets AS others ON others.set_no = billed.other_set_no
INNER JOIN core_terms_rated AS rated
    ON rated.set_no = billed.other_set_no
    AND rated.actual = billed.actual
    AND billed.quantity_billed IN (rated.units, rated.blocks)
    AND try(abs(rated.amount_exact - billed.amount)) <= coalesce(len(rated.slices), 1)
INNER JOIN core_set_readings AS readings
    ON readings.set_no = rated.set_no
    AND readings.rule_no = rated.rule_no
    AND readings.plausibility IN ('ordinary', 'remote')
    AND billed.quantity_billed = CASE WHEN readings.billed_in = 'blocks' THEN rated.blocks ELSE rated.units END
INNER JOIN core_roundings AS roundings
    ON NOT is_of_two_steps(roundings.rounding)
    AND try(rounded_amount(rated.amount_exact, rated.slices, roundings.rounding, roundings.unit, roundings.half)) = billed.amount
GROUP BY
    billed.terms_no, billed.set_no, billed.other_set_no, billed.actual, billed.quantity_billed, billed.amount, readings.reading_no
