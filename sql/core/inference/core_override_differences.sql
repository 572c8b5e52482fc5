-- One row per rate ladder whose override differs from the inferred interpretation: expected total by the override less by the inferred.
-- per: cell
-- parts: sum(difference)
WITH overridden AS (
    SELECT set_no
    FROM core_chosen_readings
    WHERE inferred_reading_no <> reading_no
)
SELECT cases.set_no, sum((rated.amount - inferred_rated.amount) * quantities.lines) AS difference
FROM core_rating_cases AS cases
SEMI JOIN overridden ON overridden.set_no = cases.set_no
INNER JOIN core_rating_cases AS inferred
    ON inferred.set_no = cases.set_no AND inferred.actual = cases.actual AND inferred.role = 'inferred'
INNER JOIN core_rated AS rated ON rated.case_id = cases.case_id
INNER JOIN core_rated AS inferred_rated ON inferred_rated.case_id = inferred.case_id
INNER JOIN core_quantities AS quantities ON quantities.set_no = cases.set_no AND quantities.actual = cases.actual
WHERE cases.role = 'chosen'
GROUP BY cases.set_no
