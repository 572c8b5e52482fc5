-- One row per derived charge: the expected amount by the interpretation of its rate ladder.
-- The expected amount is null where no interpretation explains half of the telling lines, and for an unknown base that does not fit.
-- `is_contested`: tied interpretations give different amounts and one of them is the amount billed; or there are too few telling lines
-- to reject a line that the only candidate does not explain. A line that no tied interpretation explains is not contested.
-- `expected_least` and `expected_most`: the smallest and largest amounts of the tied interpretations, the chosen one included.
WITH open AS (
    SELECT
        trials.network_id,
        trials.mailbox_id,
        trials.reporting_month,
        trials.account_report,
        trials.measure_field,
        min(trials.expected_amount) AS expected_least,
        max(trials.expected_amount) AS expected_most,
        (expected_least < expected_most AND bool_or(trials.fits)) OR (count(*) = 1 AND bool_and(trials.departures IS NULL)) AS is_contested
    FROM core_derived_trials AS trials
    INNER JOIN core_derived_chosen AS chosen USING (set_no)
    LEFT JOIN core_derived_tied_candidates AS tied ON tied.set_no = trials.set_no AND tied.reading_no = trials.reading_no
    WHERE chosen.verdict = 'undecided' AND (tied.set_no IS NOT NULL OR trials.reading_no = chosen.reading_no)
    GROUP BY ALL
)
SELECT
    trials.network_id,
    trials.mailbox_id,
    trials.reporting_month,
    trials.account_report,
    trials.measure_field,
    trials.terms_no,
    trials.set_no,
    trials.reading_no,
    readings.reading_id,
    trials.kind,
    trials.base,
    trials.rule,
    trials.rate,
    trials.base_amount,
    trials.amount_exact,
    trials.expected_amount,
    trials.fits,
    coalesce(open.is_contested, false) AS is_contested,
    open.expected_least,
    open.expected_most
FROM core_derived_trials AS trials
INNER JOIN core_derived_chosen AS chosen USING (set_no, reading_no)
INNER JOIN core_derived_readings AS readings USING (reading_no)
LEFT JOIN open USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE chosen.verdict <> 'none_fits' AND (trials.fits OR NOT trials.is_base_open)
