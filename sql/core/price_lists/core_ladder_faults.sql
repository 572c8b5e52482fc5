-- One row per price list, month, report and measure, and kind of fault of its ladder (`tier_gap`, `tier_overlap`): the places in words.
-- `is_of_contract`: at one of them, the tiers of contract_terms.csv end before the list's.
-- `lines` and `amount` are those of the month's lines whose quantity, less the allowance, lies there; null without such lines.
WITH kinds AS (
    SELECT
        set_no,
        fault,
        string_agg(words, '; ' ORDER BY from_quantity) AS words,
        bool_or(is_of_contract) AS is_of_contract
    FROM core_tier_faults
    GROUP BY set_no, fault
),
months AS (
    SELECT DISTINCT price_list_id, reporting_month, account_report, measure_field, set_no
    FROM core_tiers
),
hit AS (
    SELECT set_no, fault, lines.reporting_month, count(*) AS lines, sum(lines.amount) AS amount
    FROM kinds
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_lines AS lines USING (set_no)
    SEMI JOIN core_tier_faults AS faults
        ON faults.set_no = lines.set_no
        AND faults.fault = kinds.fault
        AND lines.actual - sets.allowance >= faults.from_quantity
        AND (faults.to_quantity IS NULL OR lines.actual - sets.allowance <= faults.to_quantity)
    WHERE kinds.fault = 'tier_overlap' OR lines.actual > sets.allowance
    GROUP BY ALL
)
SELECT
    months.price_list_id,
    months.reporting_month,
    months.account_report,
    months.measure_field,
    set_no,
    fault,
    kinds.words,
    kinds.is_of_contract,
    hit.lines,
    hit.amount
FROM kinds
INNER JOIN months USING (set_no)
LEFT JOIN hit USING (set_no, fault, reporting_month)
