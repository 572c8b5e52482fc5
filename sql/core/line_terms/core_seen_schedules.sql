-- One row per price list, month, account report, measure and schedule as lines show it: the number of those lines.
-- Lines that show the schedule of another report or measure are left out: they are no source of terms.
-- is_of_contract: the lines are of a month and of accounts for which contract_terms.csv has terms, so they show nothing about the terms of
-- other months and accounts; where these hold for a part of the month, only lines with all numbers that one of their tiers states.
WITH of_contracts AS (
    SELECT DISTINCT line_terms.terms_no
    FROM core_line_terms AS line_terms
    INNER JOIN core_contract_terms AS papers
        ON papers.account_report = line_terms.account_report
        AND papers.measure_field = line_terms.measure_field
        AND papers.terms_contract_id IN (0, line_terms.terms_contract_id)
        AND coalesce(papers.price_list_id, line_terms.price_list_id) = line_terms.price_list_id
        AND papers.valid_from < line_terms.reporting_month + INTERVAL 1 MONTH
        AND papers.valid_to >= line_terms.reporting_month
    WHERE (
        papers.rate = line_terms.schedule_rate
        AND is_same_number(line_terms.schedule_allowance, papers.allowance)
        AND is_same_number(effective_block(line_terms.schedule_block), effective_block(papers.block))
        AND is_same_bounds(line_terms.schedule_minimum, line_terms.schedule_maximum, papers.minimum, papers.maximum)
    )
        OR (papers.valid_from <= line_terms.reporting_month AND papers.valid_to >= last_day(line_terms.reporting_month))
)
SELECT
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    coalesce(schedule_specified_network_id, 0) AS specified_network_id,
    model,
    level,
    schedule_id,
    schedule_allowance AS allowance,
    schedule_minimum AS minimum,
    schedule_maximum AS maximum,
    schedule_block AS block,
    schedule_rate AS rate,
    of_contracts.terms_no IS NOT NULL AS is_of_contract,
    min(price_list_description) AS price_list_description,
    min(level_name) AS level_name,
    sum(lines)::BIGINT AS lines
FROM core_line_terms
LEFT JOIN of_contracts USING (terms_no)
WHERE schedule_id IS NOT NULL
    AND coalesce(schedule_account_report, account_report) = account_report
    AND coalesce(schedule_measure, measure_field) = measure_field
GROUP BY ALL
