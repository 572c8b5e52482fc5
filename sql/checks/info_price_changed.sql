-- One row per price list, contract with terms of its own, month, report and measure whose terms differ from those of the month before.
-- title: Price changed since last month
-- The finding names the account if only one is billed by the new terms. In a month that contains the list's Date, lines may still be
-- billed by the previous terms. A line whose amount is wrong by the terms in force is not counted, nor is one without a price (a
-- quantity below 0 reverses another month), nor one that other terms in force give.
WITH own_terms AS (
    SELECT DISTINCT terms_contract_id, price_list_id, reporting_month, account_report, measure_field
    FROM core_tiers
),
billed AS (
    SELECT
        changes.terms_contract_id,
        changes.price_list_id,
        changes.reporting_month,
        changes.account_report,
        changes.measure_field,
        count(*) AS lines,
        sum(lines.amount) AS amount,
        min(lines.network_id) AS network_id,
        min(lines.mailbox_id) AS mailbox_id
    FROM core_lines AS lines
    INNER JOIN core_price_changes AS changes USING (price_list_id, reporting_month, account_report, measure_field)
    INNER JOIN core_line_terms AS line_terms USING (terms_no)
    LEFT JOIN own_terms
        ON own_terms.terms_contract_id = line_terms.terms_contract_id
        AND own_terms.price_list_id = lines.price_list_id
        AND own_terms.reporting_month = lines.reporting_month
        AND own_terms.account_report = lines.account_report
        AND own_terms.measure_field = lines.measure_field
    ANTI JOIN (FROM core_suspect_lines WHERE verdict IN ('differs', 'not_provable')) AS wrong
        ON wrong.network_id = lines.network_id
        AND wrong.mailbox_id = lines.mailbox_id
        AND wrong.reporting_month = lines.reporting_month
        AND wrong.account_report = lines.account_report
        AND wrong.measure_field = lines.measure_field
    ANTI JOIN core_other_outcomes AS others
        ON others.terms_no = lines.terms_no
        AND others.actual = lines.actual
        AND others.quantity = lines.quantity_billed
        AND others.amount = lines.amount
        AND others.is_given
    ANTI JOIN (
        FROM core_tiers AS former
        ANTI JOIN core_tiers AS newer
            ON newer.set_no = former.set_no
            AND newer.reporting_month = former.reporting_month
            AND newer.terms_contract_id = former.terms_contract_id
            AND newer.version = 1
    ) AS former
        ON former.set_no = lines.set_no
        AND former.reporting_month = lines.reporting_month
        AND former.terms_contract_id = changes.terms_contract_id
    WHERE changes.terms_contract_id
        = CASE WHEN changes.terms_contract_id = 0 THEN coalesce(own_terms.terms_contract_id, 0) ELSE line_terms.terms_contract_id END
    GROUP BY ALL
)
SELECT
    CASE WHEN billed.lines = 1 THEN billed.network_id END AS network_id,
    CASE WHEN billed.lines = 1 THEN billed.mailbox_id END AS mailbox_id,
    changes.reporting_month,
    changes.account_report,
    changes.measure_field,
    changes.price_list_id,
    billed.amount AS billed_amount,
    concat(
        CASE
            WHEN changes.terms_contract_id = 0 AND changes.is_by_contract
                THEN concat('Your contract_terms.csv for price list ', changes.price_list_id)
            WHEN changes.terms_contract_id = 0 THEN concat('Price list ', changes.price_list_id)
            ELSE concat('Contract ', changes.terms_contract_id, ', price list ', changes.price_list_id, ',')
        END,
        ' changed the terms of ', changes.account_report, ' ', changes.measure_field,
        ' to ', changes.words, '; in ', strftime(changes.reporting_month - INTERVAL 1 MONTH, '%Y-%m'), ' they were ',
        changes.previous_words, '. ',
        coalesce(billed.lines, 0), CASE WHEN billed.lines = 1 THEN ' line' ELSE ' lines' END, ' of the month ',
        CASE WHEN billed.lines = 1 THEN 'is' ELSE 'are' END, ' billed by the new terms: ',
        CASE
            WHEN changes.terms_contract_id = 0 AND NOT changes.is_by_contract THEN 'check that the change was agreed.'
            ELSE 'check the dates in your contract_terms.csv.'
        END
    ) AS explanation
FROM core_price_changes AS changes
LEFT JOIN billed USING (terms_contract_id, price_list_id, reporting_month, account_report, measure_field)
