-- One row per case_id and tier that takes part in its price: the slice as `quote --batch` writes it, in JSON.
-- kept as: view
SELECT
    case_id,
    tier,
    slice,
    concat(
        '{"tier": ', tier,
        ', "quantity": "', csv_number(quantity),
        '", "blocks": "', csv_number(blocks),
        '", "rate": "', csv_number(rate),
        '", "flat": "', csv_number(flat),
        '", "amount": "', plain_text(amount),
        '"}'
    ) AS words
FROM core_rating_slices
