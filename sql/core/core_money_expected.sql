-- One row per line that is money of other lines: what the reading of its set expects.
-- Nothing is expected where no reading explains half of them, nor of a sum that is open and does not fit. `is_contested`: a reading
-- that the lines cannot tell from it expects something else.
WITH contested AS (
    SELECT trials.network_id, trials.mailbox_id, trials.reporting_month, trials.account_report, trials.measure_field
    FROM core_money_trials AS trials
    INNER JOIN core_money_chosen AS chosen USING (set_no)
    SEMI JOIN core_money_rivals AS rivals ON rivals.set_no = trials.set_no AND rivals.reading_no = trials.reading_no
    WHERE chosen.verdict = 'undecided'
    GROUP BY ALL
    HAVING min(trials.expected_amount) < max(trials.expected_amount)
)
SELECT
    trials.network_id,
    trials.mailbox_id,
    trials.reporting_month,
    trials.account_report,
    trials.measure_field,
    trials.heading_no,
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
    contested.network_id IS NOT NULL AS is_contested
FROM core_money_trials AS trials
INNER JOIN core_money_chosen AS chosen USING (set_no, reading_no)
INNER JOIN core_money_readings AS readings USING (reading_no)
LEFT JOIN contested USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE chosen.verdict <> 'none_fits' AND (trials.fits OR NOT trials.is_base_open)
