-- One row per price list, month, report and measure whose terms differ from those of the month before.
-- title: Price changed since last month
-- The finding names the account if only one is billed by the new terms. In a month that contains the list's Date, lines may still be
-- billed by the previous terms.
WITH billed AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        count(*) AS lines,
        sum(amount) AS amount,
        min(network_id) AS network_id,
        min(mailbox_id) AS mailbox_id
    FROM core_lines
    SEMI JOIN core_price_changes USING (price_list_id, reporting_month, account_report, measure_field)
    ANTI JOIN (
        FROM core_tiers AS former
        ANTI JOIN core_tiers AS newer
            ON newer.set_no = former.set_no AND newer.reporting_month = former.reporting_month AND newer.version = 1
        WHERE version = 2
    ) AS former USING (set_no, reporting_month)
    GROUP BY ALL
)
SELECT
    CASE WHEN billed.lines = 1 THEN billed.network_id END AS network_id,
    CASE WHEN billed.lines = 1 THEN billed.mailbox_id END AS mailbox_id,
    changes.reporting_month,
    changes.account_report,
    changes.measure_field,
    changes.price_list_id,
    NULL::VARCHAR AS invoice_number,
    billed.amount AS billed_amount,
    NULL::DECIMAL(28, 10) AS expected_amount,
    NULL::DECIMAL(28, 10) AS difference,
    concat(
        'Price list ', changes.price_list_id, ' changed the terms of ', changes.account_report, ' ', changes.measure_field,
        ' to ', changes.words, '; in ', strftime(changes.reporting_month - INTERVAL 1 MONTH, '%Y-%m'), ' they were ',
        changes.previous_words, '. ',
        coalesce(billed.lines, 0), CASE WHEN billed.lines = 1 THEN ' line' ELSE ' lines' END, ' of the month ',
        CASE WHEN billed.lines = 1 THEN 'is' ELSE 'are' END, ' billed by the new terms: check that the change was agreed.'
    ) AS explanation
FROM core_price_changes AS changes
LEFT JOIN billed USING (price_list_id, reporting_month, account_report, measure_field)
