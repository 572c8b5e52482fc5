-- One row per line that is money of other lines: what the reading of its set expects.
-- Nothing is expected where no reading explains half of them, nor of a sum that is open and does not fit. `is_contested`: a reading
-- that the lines cannot tell from it expects something else.
SELECT
    trials.network_id,
    trials.mailbox_id,
    trials.reporting_month,
    trials.account_report,
    trials.measure_field,
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
    chosen.verdict = 'undecided'
    AND EXISTS (
        FROM core_money_trials AS others
        INNER JOIN core_money_rivals AS rivals ON rivals.set_no = others.set_no AND rivals.reading_no = others.reading_no
        WHERE others.network_id = trials.network_id
            AND others.mailbox_id = trials.mailbox_id
            AND others.reporting_month = trials.reporting_month
            AND others.account_report = trials.account_report
            AND others.measure_field = trials.measure_field
            AND others.expected_amount <> trials.expected_amount
    ) AS is_contested
FROM core_money_trials AS trials
INNER JOIN core_money_chosen AS chosen USING (set_no, reading_no)
INNER JOIN core_money_readings AS readings USING (reading_no)
WHERE chosen.verdict <> 'none_fits' AND (trials.fits OR NOT trials.is_base_open)
