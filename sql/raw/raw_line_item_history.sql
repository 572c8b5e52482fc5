-- One row per line that a later response replaced: key and superseded_at.
SELECT *
FROM lake_line_item_history
