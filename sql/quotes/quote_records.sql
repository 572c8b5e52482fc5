-- One row per line of quote_lines in plain form: its quantity, and the text of its tiers and its reading.
WITH plain AS (
    SELECT
        line_no,
        from_json(
            line,
            '{
                "id": "JSON", "quantity": "DECIMAL(28,10)", "allowance": "DECIMAL(28,10)",
                "tiers": "JSON", "reading": "JSON"
            }'
        ) AS record
    FROM quote_lines
    WHERE is_plain_record(line)
)

SELECT
    line_no,
    record.id::VARCHAR AS id,
    record.quantity,
    coalesce(record.allowance, 0)::DECIMAL(28, 10) AS allowance,
    record.tiers::VARCHAR AS tiers,
    coalesce(record.reading::VARCHAR, '{}') AS reading
FROM plain
