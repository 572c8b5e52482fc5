-- One row per case_id: its price as `quote --batch` says it, every number as plain decimal text.
-- kept as: view
-- No superfluous zeros, but a rounded amount keeps the decimals that it was rounded to: 12.5 is 12.50 at scale 2.
WITH slices AS (
    SELECT
        case_id,
        to_json(list(
            struct_pack(
                tier := tier,
                quantity := plain_text(quantity),
                blocks := plain_text(blocks),
                rate := plain_text(rate),
                flat := plain_text(flat),
                amount := plain_text(amount)
            )
            ORDER BY tier
        ))::VARCHAR AS slices
    FROM core_rated_slices
    GROUP BY case_id
)

SELECT
    rated.case_id,
    CASE
        WHEN coalesce(readings.rounding, 'none') = 'none' THEN plain_text(rated.amount)
        ELSE rtrim(left(rated.amount::VARCHAR, length(rated.amount::VARCHAR) - 20 + coalesce(readings.scale, 2)), '.')
    END AS amount,
    plain_text(rated.quantity_billed) AS quantity_billed,
    coalesce(slices.slices, '[]') AS slices,
    rated.error
FROM core_rated AS rated
INNER JOIN core_rating_cases AS cases ON cases.case_id = rated.case_id
LEFT JOIN core_rating_readings AS readings ON readings.reading_id = cases.reading_id
LEFT JOIN slices ON slices.case_id = rated.case_id
