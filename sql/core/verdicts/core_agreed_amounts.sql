-- One row per rate ladder that no interpretation fits and quantity on its lines that every candidate by rates prices alike: that amount in
-- cents.
-- A line that differs from it by `tolerance` or more, one unit of the last decimal to which the ladder's amounts may be rounded, is wrong
-- whatever the interpretation. `quantities` are the quantities that the candidates bill for it.
-- Where the best candidate explains no line, the numbers may be fees of steps, `least_fee` to `most_fee`: an amount more than twice as near
-- to these as to the one by rates is not judged.
-- No row where the terms are open (core_used_readings), or where the price may depend on a tier that no source gives (core_unknown_tiers).
WITH agreed AS (
    SELECT
        rated.set_no,
        rated.actual,
        list(DISTINCT rated.quantity ORDER BY rated.quantity) AS quantities,
        any_value(rated.amount_exact) AS amount_exact,
        greatest(min(coalesce(rated.tier, 1)), 1)::INTEGER AS tier
    FROM core_other_rated AS rated
    LEFT JOIN core_unknown_tiers AS unknown USING (set_no)
    WHERE rated.role = 'candidate' AND (rated.actual > unknown.from_quantity) IS NOT true
    GROUP BY rated.set_no, rated.actual
    HAVING count(*) = count(rated.amount_exact) AND min(rated.amount_exact) = max(rated.amount_exact)
)
SELECT
    agreed.set_no,
    agreed.actual,
    agreed.quantities,
    agreed.amount_exact,
    line_amount(agreed.amount_exact, cents.rounding, cents.unit, cents.half)::DECIMAL(28, 10) AS amount,
    greatest(roundings.unit, cents.unit) AS tolerance,
    agreed.tier,
    CASE WHEN chosen.lines_explained = 0 THEN fees.least END AS least_fee,
    CASE WHEN chosen.lines_explained = 0 THEN fees.most END AS most_fee
FROM agreed
INNER JOIN core_chosen_readings AS chosen USING (set_no)
INNER JOIN core_set_readings AS readings
    ON readings.set_no = chosen.set_no
    AND readings.reading_no = chosen.reading_no
    AND NOT is_fee_model(readings.model)
INNER JOIN (
    SELECT set_no, min(rate) AS least, try_cast(sum(rate) AS DECIMAL(28, 10)) AS most
    FROM core_set_tiers
    GROUP BY set_no
) AS fees ON fees.set_no = agreed.set_no
INNER JOIN core_reading_roundings AS own ON own.set_no = chosen.set_no AND own.reading_no = chosen.reading_no
INNER JOIN core_roundings AS roundings ON roundings.rounding_no = own.rounding_no
INNER JOIN core_roundings AS cents ON cents.rounding_no = 1
