-- One row per heading, with the number by which its lines name it.
SELECT row_number() OVER ()::INTEGER AS heading_no, *
FROM core_seen_headings
