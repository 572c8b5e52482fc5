-- One row per case_id: its price as `quote --batch` writes it, in JSON, or the reason that it has none.
-- kept as: view
-- `slices` are the elements of the list of slices, one for each tier that takes part in the price. A rounded amount has the
-- decimals that it was rounded to, 12.50 at scale 2.
WITH slices AS (
    SELECT
        case_id,
        string_agg(
            concat(
                '{"tier": ', tier,
                ', "quantity": "', csv_number(quantity),
                '", "blocks": "', csv_number(blocks),
                '", "rate": "', csv_number(rate),
                '", "flat": "', csv_number(flat),
                '", "amount": "', plain_text(amount),
                '"}'
            ),
            ', ' ORDER BY tier
        ) AS words
    FROM core_rating_slices
    GROUP BY case_id
)

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
    coalesce(slices.words, '') AS slices,
    rated.error
FROM core_rated AS rated
INNER JOIN core_rating_cases AS cases ON cases.case_id = rated.case_id
LEFT JOIN core_rating_readings AS readings ON readings.reading_id = cases.reading_id
LEFT JOIN slices ON slices.case_id = rated.case_id
