-- One row per slice of a line that a reading can rate: the arithmetic from the quantity measured to the expected amount.
-- kept as: view
-- `product` is what the slice costs, exactly; the products of a line add up to `amount_before_rounding`, and its rounding gives
-- `expected_amount`; where slices are rounded before they are added, each product's does. The free tier of an allowance is tier 0. A line that costs nothing has one slice of nothing.
-- A derived charge has one slice: `quantity` is its base. A line that is billed with its network
-- (core_aggregated_lines) has none, nor has one that may be billed by several terms in force, unless these slices give the amount expected of it.
-- slice: place of the slice in the line, from 1
-- lower_bound: quantity at which the tier begins, in units of the measure
-- upper_bound: quantity at which the tier ends, in units of the measure; null: open
-- quantity: quantity that the slice bills, in units of the measure; for a derived charge the sum that it is computed from
-- blocks: number of blocks that the slice bills
-- flat: flat fee of the tier
-- product: what the slice costs, before rounding
-- amount_before_rounding: sum of the products of the line
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    proofs.* EXCLUDE (set_no, actual)
FROM core_lines AS lines
ANTI JOIN core_aggregated_lines USING (network_id, mailbox_id, terms_no)
INNER JOIN core_proofs AS proofs USING (set_no, actual)
ANTI JOIN core_line_faults AS faults
    ON faults.network_id = lines.network_id
    AND faults.mailbox_id = lines.mailbox_id
    AND faults.reporting_month = lines.reporting_month
    AND faults.account_report = lines.account_report
    AND faults.measure_field = lines.measure_field
    AND faults.left_open = 'terms'
    AND faults.expected_amount IS DISTINCT FROM proofs.expected_amount
UNION ALL
SELECT
    money.network_id,
    money.mailbox_id,
    money.reporting_month,
    money.account_report,
    money.measure_field,
    1,
    1,
    tiers.level,
    tiers.schedule_id,
    NULL,
    NULL,
    CASE WHEN money.kind = 'minimum' THEN 1 ELSE money.base_amount END,
    NULL,
    NULL,
    CASE
        WHEN money.kind = 'minimum' THEN money.amount_exact
        WHEN money.rule LIKE 'per_hundred%' THEN money.rate * 0.01 * CASE WHEN money.rule LIKE '%negated' THEN -1 ELSE 1 END
        WHEN money.rule LIKE 'fraction%' THEN money.rate * CASE WHEN money.rule LIKE '%negated' THEN -1 ELSE 1 END
        WHEN money.rule = 'amount_is_base' THEN 1
        ELSE 0
    END::DECIMAL(28, 10),
    0,
    money.amount_exact,
    money.amount_exact,
    money.expected_amount,
    rules.reading_id,
    rules.rule
FROM core_derived_expected AS money
INNER JOIN core_derived_rules AS rules USING (reading_no)
INNER JOIN core_set_tiers AS tiers ON tiers.set_no = money.set_no AND tiers.tier = 1
