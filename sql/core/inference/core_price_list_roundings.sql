-- One row per price list: how it rounds its counted lines, or, if it has none, its fees; as far as no reading of them rounds otherwise
-- (core_reading_roundings).
SELECT open.price_list_id, rounding_no, roundings.rounding, roundings.scale, open.is_seen
FROM core_fitting_roundings AS open
INNER JOIN core_roundings AS roundings USING (rounding_no)
WHERE open.place = 1
QUALIFY row_number() OVER (PARTITION BY open.price_list_id ORDER BY open.lines_explained = 0, open.is_fee) = 1
