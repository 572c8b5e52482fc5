-- One row per distinct billing terms, with their surrogate key.
SELECT row_number() OVER ()::INTEGER AS terms_no, *
FROM core_seen_terms
