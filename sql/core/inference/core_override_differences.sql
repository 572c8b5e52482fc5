-- One row per rate ladder whose override differs from the inferred interpretation: expected total by the override less by the inferred.
SELECT inferred.set_no, sum((expected.expected_amount - inferred.amount) * quantities.lines) AS difference
FROM core_other_rated AS inferred
INNER JOIN core_expected AS expected USING (set_no, actual)
INNER JOIN core_quantities AS quantities USING (set_no, actual)
WHERE inferred.role = 'inferred'
GROUP BY inferred.set_no
