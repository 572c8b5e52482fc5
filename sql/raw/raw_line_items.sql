-- One row per billed line: key (account, month, account report, measure), from its latest response.
-- kept as: scratch view
SELECT *
FROM lake_line_items
