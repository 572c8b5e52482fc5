-- One row per line whose KCs the meter rounds up, interchange by interchange or parcel by parcel, where bytes give its exact KCs.
-- title: KCs are rounded up per message
-- ECGrid documents such rounding ("rounded per Parcel/Interchange"), so it is no claim.
-- expected_amount: what the exact KCs would cost; null where the line is not proved for its own quantity
-- difference: null: this is no claim
SELECT
    usage.network_id,
    usage.mailbox_id,
    usage.reporting_month,
    usage.account_report,
    usage.measure_field,
    usage.price_list_id,
    lines.amount AS billed_amount,
    CASE WHEN lines.verdict = 'fits' AND expected.expected_amount = lines.amount THEN try_cast(rated.amount AS DECIMAL(28, 10)) END
        AS expected_amount,
    concat(
        grouped_text(usage.actual), ' KCs measured are rounded up per ', regexp_extract(usage.unit, '[a-z]+$'), ', which ECGrid documents; the bytes are ',
        grouped_text(usage.exact_quantity), ' KCs, ', grouped_text(usage.actual - usage.exact_quantity), ' less. The line bills ', money_text(lines.amount),
        CASE
            WHEN lines.verdict = 'fits' AND expected.expected_amount = lines.amount AND rated.amount IS NOT NULL
                THEN concat('; exact counting would cost ', money_text(try_cast(rated.amount AS DECIMAL(28, 10))))
            ELSE ''
        END,
        '. This is not a claim: ask for exact counting when you renew the contract.'
    ) AS explanation
FROM out_usage_tieout AS usage
INNER JOIN core_line_verdicts AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN core_expected AS expected ON expected.set_no = lines.set_no AND expected.actual = lines.actual
LEFT JOIN core_fault_rated AS rated
    ON rated.left_out = 'usage' AND rated.set_no = lines.set_no AND rated.actual = usage.exact_quantity
WHERE usage.is_tied AND usage.exact_quantity IS NOT NULL AND usage.unit IN ('KC, up per interchange', 'KC, up per parcel')
