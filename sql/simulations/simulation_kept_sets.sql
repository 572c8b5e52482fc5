-- One row per rate ladder that is tried and whose numbers are those in force: nothing was changed.
-- kept as: scratch
WITH numbers AS (
    SELECT
        set_no,
        string_agg(concat_ws('|', tier, terms_text(allowance, minimum, maximum, block, rate), plain_text(flat)), ';' ORDER BY tier) AS content
    FROM core_set_tiers
    GROUP BY set_no
),
tried AS (
    SELECT
        set_no,
        string_agg(concat_ws('|', tier, terms_text(allowance, minimum, maximum, block, rate), plain_text(flat)), ';' ORDER BY tier) AS content
    FROM simulation_tiers
    GROUP BY set_no
)
SELECT DISTINCT terms.simulated_set_no AS set_no
FROM simulation_terms AS terms
INNER JOIN numbers ON numbers.set_no = terms.set_no
INNER JOIN tried ON tried.set_no = terms.simulated_set_no
WHERE terms.source = 'present' AND tried.content = numbers.content
