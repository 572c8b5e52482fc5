-- One row per finding of the month (variable `month`), with the decision about it: what a closing keeps.
-- kept as: scratch view
SELECT * EXCLUDE (place)
FROM out_finding_states
WHERE reporting_month = getvariable('month')::DATE
