-- One row per distinct billing terms, with their surrogate key.
SELECT row_number() OVER ()::INTEGER AS heading_no, *
FROM core_seen_headings
