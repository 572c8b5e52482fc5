-- One row per key that crosses the next bound of its ladder in the month: the tier so far, the tier projected, and what that costs or saves.
-- kept as: scratch
-- So far: of the line to date, or of the line that the month is projected from. `difference` is the projected amount less what its quantity
-- would cost at the average price so far: below 0 it saves. Where the interpretation is undecided the tier is the highest that one of them
-- reaches, `amount` that of the interpretation accrued by, `least_amount` and `most_amount` those of all.
WITH so_far AS (
    SELECT
        keys.network_id,
        keys.mailbox_id,
        keys.account_report,
        keys.measure_field,
        keys.contract_id,
        keys.actual,
        keys.amount,
        lines.expected_tier AS tier
    FROM accrual_keys AS keys
    INNER JOIN core_line_results AS lines
        ON lines.network_id = keys.network_id
        AND lines.mailbox_id = keys.mailbox_id
        AND lines.terms_no = keys.terms_no
    WHERE keys.kind = 'count' AND NOT keys.is_kept AND keys.actual > 0
),
projected AS (
    SELECT
        sets.network_id,
        sets.mailbox_id,
        sets.account_report,
        sets.measure_field,
        sets.set_no,
        projections.quantity,
        max(rated.tier) AS tier,
        any_value(rated.amount) FILTER (WHERE rated.is_chosen) AS amount,
        min(rated.amount) AS least_amount,
        max(rated.amount) AS most_amount
    FROM accrual_sets AS sets
    INNER JOIN accrual_projections AS projections USING (network_id, mailbox_id, account_report, measure_field)
    INNER JOIN simulation_rated AS rated
        ON rated.volume = 100 AND rated.quantity = projections.quantity
    INNER JOIN simulation_terms AS terms ON terms.set_no = sets.set_no AND terms.simulated_set_no = rated.set_no
    WHERE rated.error IS NULL
    GROUP BY sets.network_id, sets.mailbox_id, sets.account_report, sets.measure_field, sets.set_no, projections.quantity
)
SELECT
    so_far.network_id,
    so_far.mailbox_id,
    so_far.contract_id,
    so_far.account_report,
    so_far.measure_field,
    projected.quantity,
    bounds.maximum::DECIMAL(28, 10) AS bound,
    projected.amount,
    projected.least_amount,
    projected.most_amount,
    try(round((so_far.amount * quotient(projected.quantity, so_far.actual))::DECIMAL(38, 10), 2)::DECIMAL(28, 10)) AS amount_at_price_so_far,
    old_tier.level AS level_so_far,
    new_tier.level AS level_ahead
FROM so_far
INNER JOIN projected USING (network_id, mailbox_id, account_report, measure_field)
INNER JOIN core_set_tiers AS old_tier ON old_tier.set_no = projected.set_no AND old_tier.tier = so_far.tier
INNER JOIN core_set_tiers AS new_tier ON new_tier.set_no = projected.set_no AND new_tier.tier = projected.tier
INNER JOIN core_set_tiers AS bounds ON bounds.set_no = projected.set_no AND bounds.tier = projected.tier - 1
WHERE projected.tier > so_far.tier AND projected.amount IS NOT NULL
