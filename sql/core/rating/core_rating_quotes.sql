-- One row per case_id: its price as `quote --batch` writes it, in JSON without the slices, or the reason that it has none.
-- kept as: view
-- A rounded amount has the decimals that it was rounded to, 12.50 at scale 2.
SELECT
    rated.case_id,
    concat(
        '"amount": "',
        CASE
            WHEN coalesce(readings.rounding, 'none') = 'none' THEN plain_text(rated.amount)
            ELSE rtrim(left(rated.amount::VARCHAR, length(rated.amount::VARCHAR) - 20 + coalesce(readings.scale, 2)), '.')
        END,
        '", "quantity_billed": "', csv_number(rated.quantity_billed), '"'
    ) AS words,
    rated.error
FROM core_rated AS rated
INNER JOIN core_rating_cases AS cases ON cases.case_id = rated.case_id
LEFT JOIN core_rating_readings AS readings ON readings.reading_id = cases.reading_id
