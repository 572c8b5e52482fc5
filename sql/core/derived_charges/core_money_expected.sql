-- One row per derived charge: what the reading of its rate ladder expects.
-- per: whole, read by account and month
-- Nothing is expected where no reading explains half of the telling lines, nor of a sum that is open and does not fit. `is_contested`: the
-- readings that the lines leave open expect different amounts, and one of them the amount billed; or so few lines tell that a line
-- which the only reading left does not explain is no proof against the line. A line that all of them call wrong is not contested.
WITH contested AS (
    SELECT trials.network_id, trials.mailbox_id, trials.reporting_month, trials.account_report, trials.measure_field
    FROM core_money_trials AS trials
    INNER JOIN core_money_chosen AS chosen USING (set_no)
    LEFT JOIN core_money_rivals AS rivals ON rivals.set_no = trials.set_no AND rivals.reading_no = trials.reading_no
    WHERE chosen.verdict = 'undecided' AND (rivals.set_no IS NOT NULL OR trials.reading_no = chosen.reading_no)
    GROUP BY ALL
    HAVING (min(trials.expected_amount) < max(trials.expected_amount) AND bool_or(trials.fits))
        OR (count(*) = 1 AND bool_and(trials.departures IS NULL))
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
