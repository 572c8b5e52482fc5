-- One row per charge, with the terms of its price, its invoice and its network: all columns of FOCUS except constants.
-- kept as: view
SELECT
    charges.*,
    CASE
        WHEN charges.pricing_unit IS NULL THEN NULL
        WHEN prices.schedule_id IS NOT NULL THEN prices.details
        -- a schedule that the price list does not know: what the line shows of it
        ELSE price_details(
            charges.model, charges.level, charges.schedule_block, charges.schedule_allowance,
            charges.schedule_minimum, charges.schedule_maximum
        )
    END AS price_details,
    invoices.invoice_number,
    networks.account_name AS network_name
FROM core_charges AS charges
LEFT JOIN core_prices AS prices
    USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
LEFT JOIN out_contract_invoices AS invoices USING (contract_id, reporting_month)
LEFT JOIN core_accounts AS networks ON networks.network_id = charges.network_id AND networks.mailbox_id = 0
