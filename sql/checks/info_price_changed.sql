-- One row per price list, month, report and measure whose schedules are not those of the month before.
-- Where one account alone is billed by them, the finding names it.
WITH ladders AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        string_agg(
            concat_ws(
                ' ', level, 'rate', plain_text(rate),
                CASE WHEN block <> 0 THEN 'block ' || plain_text(block) END,
                CASE WHEN allowance <> 0 THEN 'allowance ' || plain_text(allowance) END,
                CASE WHEN coalesce(minimum, 0) <> 0 THEN 'from ' || minimum END,
                CASE WHEN maximum <> 0 THEN 'to ' || maximum END,
                model
            ),
            ', ' ORDER BY specified_network_id, set_no, tier
        ) AS words,
        string_agg(
            concat_ws('|', specified_network_id, level, model, rate, block, allowance, minimum, maximum, limited_months), ';'
            ORDER BY specified_network_id, level, model, rate, block, allowance, minimum, maximum, limited_months
        ) AS content
    FROM core_tiers
    GROUP BY ALL
),
billed AS (
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
    GROUP BY ALL
)
SELECT
    CASE WHEN billed.lines = 1 THEN billed.network_id END AS network_id,
    CASE WHEN billed.lines = 1 THEN billed.mailbox_id END AS mailbox_id,
    ladders.reporting_month,
    ladders.account_report,
    ladders.measure_field,
    ladders.price_list_id,
    NULL::VARCHAR AS invoice_number,
    billed.amount AS billed_amount,
    NULL::DECIMAL(28, 10) AS expected_amount,
    NULL::DECIMAL(28, 10) AS difference,
    concat(
        'Price list ', ladders.price_list_id, ' prices ', ladders.account_report, ' ', ladders.measure_field,
        ' anew: ', ladders.words, '; before, in ', strftime(earlier.reporting_month, '%Y-%m'), ', ', earlier.words, '. ',
        coalesce(billed.lines, 0), CASE WHEN billed.lines = 1 THEN ' line' ELSE ' lines' END, ' of the month ',
        CASE WHEN billed.lines = 1 THEN 'is' ELSE 'are' END, ' billed by it: check that the change was agreed.'
    ) AS explanation
FROM ladders
INNER JOIN ladders AS earlier
    ON earlier.price_list_id = ladders.price_list_id
    AND earlier.account_report = ladders.account_report
    AND earlier.measure_field = ladders.measure_field
    AND earlier.reporting_month = ladders.reporting_month - INTERVAL 1 MONTH
LEFT JOIN billed
    ON billed.price_list_id = ladders.price_list_id
    AND billed.reporting_month = ladders.reporting_month
    AND billed.account_report = ladders.account_report
    AND billed.measure_field = ladders.measure_field
WHERE ladders.content <> earlier.content
