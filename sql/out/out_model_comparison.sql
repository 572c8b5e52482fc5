-- One row per line rated by unit prices: what it costs under unit, volume and graduated pricing, and where the next tier begins.
-- kept as: view
-- A line that a model has no price for (below 0, past a bounded last tier), or of which nothing is billed though a model prices it, is not here: nothing can be compared.
-- `quantity` is what enters the tiers, after the allowance; bounds and distances are in the same units. `break_even_quantity` is the
-- quantity of the tier reached from which on, under volume pricing, the first quantity of the next tier costs less.
-- A line billed by volume that lies above it is on a cliff: more use would cost less, `cliff_saving` at the next tier's first block.
-- A bound that is excluded is itself the next tier's first quantity. A free tier is priced too, once it is passed: under it the
-- whole quantity counts, and the break-even may be 0.
-- model: pricing model of the reading: unit, volume or graduated
-- quantity: quantity that enters the tiers, after the allowance, in units of the measure
-- next_bound: quantity at which the tier reached ends, in units of the measure; null: open, or exceeded at the rate of the first tier
-- distance_to_next_bound: next_bound less quantity
-- break_even_quantity: quantity of the tier reached from which the next tier's first quantity costs less under volume pricing; null: none
-- is_on_cliff: true where the line costs more than the next tier's first block would
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    accounts.account_name,
    coalesce(former.contract_id, accounts.contract_id) AS contract_id,
    lines.price_list_id,
    cases.reading_id,
    cases.model,
    cases.quantity,
    lines.amount AS billed_amount,
    cases.expected_amount,
    cases.unit_amount,
    cases.volume_amount,
    cases.graduated_amount,
    CASE WHEN cases.bound >= cases.quantity THEN cases.bound END AS next_bound,
    CASE WHEN cases.bound >= cases.quantity THEN cases.bound - cases.quantity END AS distance_to_next_bound,
    CASE WHEN cases.break_even_quantity < cases.bound THEN cases.break_even_quantity END AS break_even_quantity,
    coalesce(cases.is_past_break_even AND cases.quantity > 0, false) AS is_on_cliff,
    CASE WHEN cases.is_past_break_even AND cases.quantity > 0 THEN cases.saving END AS cliff_saving
FROM core_lines AS lines
INNER JOIN core_compared_cases AS cases USING (set_no, actual)
LEFT JOIN core_accounts AS accounts ON accounts.network_id = lines.network_id AND accounts.mailbox_id = lines.mailbox_id
LEFT JOIN core_former_accounts AS former
    ON former.network_id = lines.network_id
    AND former.mailbox_id = lines.mailbox_id
    AND former.reporting_month = lines.reporting_month
WHERE NOT (lines.amount = 0 AND lines.mailbox_id > 0 AND cases.expected_amount > 0)
