-- One row per line in scope, or moved by it, and volume: what was billed, what the terms tried give, the difference, and why.
-- kept as: scratch
-- `new_amount` and `difference` are null where the interpretations that may hold give a range (low, high), and where there is no price.
WITH tiers AS (
    SELECT set_no, tier, level, rate, block, allowance FROM simulation_tiers
),
counted AS (
    SELECT
        counted.network_id,
        counted.mailbox_id,
        counted.reporting_month,
        counted.account_report,
        counted.measure_field,
        counted.account_name,
        counted.contract_id,
        counted.volume,
        counted.set_no,
        counted.simulated_set_no,
        counted.verdict,
        counted.actual,
        counted.quantity,
        counted.amount AS old_amount,
        counted.new_amount AS read_amount,
        counted.least_amount,
        counted.most_amount,
        counted.error,
        CASE
            WHEN counted.error IS NOT NULL THEN counted.error
            WHEN NOT counted.is_tried THEN 'billed with its network'
            ELSE concat_ws(
                '; ',
                CASE WHEN counted.quantity <> counted.actual THEN concat('quantity ', grouped_text(counted.actual), ' to ', grouped_text(counted.quantity)) END,
                CASE
                    WHEN coalesce(new_first.allowance, 0) <> coalesce(sets.allowance, 0)
                        THEN concat('allowance ', grouped_text(coalesce(sets.allowance, 0)), ' to ', grouped_text(coalesce(new_first.allowance, 0)))
                END,
                CASE
                    WHEN new_tier.rate <> old_tier.rate OR coalesce(counted.tier, 1) <> coalesce(counted.expected_tier, 1)
                        THEN concat(
                            'tier ', coalesce(old_tier.level, 'none'), ' at ', coalesce(grouped_text(old_tier.rate), 'none'), ' to ',
                            coalesce(new_tier.level, 'none'), ' at ', coalesce(grouped_text(new_tier.rate), 'none')
                        )
                END,
                CASE
                    WHEN coalesce(new_tier.block, 0) <> coalesce(old_tier.block, 0)
                        THEN concat('block ', grouped_text(coalesce(old_tier.block, 0)), ' to ', grouped_text(coalesce(new_tier.block, 0)))
                END,
                CASE WHEN counted.verdict = 'differs' THEN concat('billed ', money_text(counted.amount), ' where ', money_text(counted.reference_amount), ' was due') END,
                CASE WHEN counted.least_amount < counted.most_amount THEN 'the interpretation is undecided' END
            )
        END AS reason
    FROM simulation_counted AS counted
    LEFT JOIN core_sets AS sets ON sets.set_no = counted.set_no
    LEFT JOIN core_set_tiers AS old_tier ON old_tier.set_no = counted.set_no AND old_tier.tier = coalesce(counted.expected_tier, 1)
    LEFT JOIN tiers AS new_tier ON new_tier.set_no = counted.simulated_set_no AND new_tier.tier = greatest(coalesce(counted.tier, 1), 1)
    LEFT JOIN tiers AS new_first ON new_first.set_no = counted.simulated_set_no AND new_first.tier = 1
    WHERE counted.is_in_scope
),
derived AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        lines.account_name,
        lines.contract_id,
        volumes.volume,
        lines.set_no,
        NULL::INTEGER AS simulated_set_no,
        lines.verdict,
        lines.actual,
        lines.actual AS quantity,
        lines.amount AS old_amount,
        derived.new_amount AS read_amount,
        derived.least_amount,
        derived.most_amount,
        CASE
            WHEN derived.volume IS NULL THEN 'no_reading: no interpretation of the charge explains its lines'
            ELSE derived.error
        END AS error,
        CASE
            WHEN derived.volume IS NULL THEN 'no_reading: no interpretation of the charge explains its lines'
            WHEN derived.error IS NOT NULL THEN derived.error
            ELSE concat_ws(
                '; ',
                CASE
                    WHEN derived.rate <> derived.new_rate
                        THEN concat(
                            CASE lines.kind WHEN 'minimum' THEN 'minimum ' ELSE 'rate ' END, grouped_text(derived.rate), ' to ', grouped_text(derived.new_rate)
                        )
                END,
                CASE
                    WHEN derived.base_move <> 0
                        THEN concat(
                            CASE lines.kind WHEN 'minimum' THEN 'charges under the minimum ' ELSE 'base ' END, money_text(derived.base_amount),
                            ' to ', money_text(derived.base_amount + derived.base_move)
                        )
                END,
                CASE WHEN lines.verdict = 'differs' THEN concat('billed ', money_text(lines.amount), ' where ', money_text(lines.reference_amount), ' was due') END,
                CASE WHEN derived.least_amount <> derived.most_amount THEN 'the interpretation is undecided' END
            )
        END AS reason
    FROM simulation_lines AS lines
    CROSS JOIN simulation_volumes AS volumes
    LEFT JOIN simulation_derived AS derived
        ON derived.network_id = lines.network_id
        AND derived.mailbox_id = lines.mailbox_id
        AND derived.reporting_month = lines.reporting_month
        AND derived.account_report = lines.account_report
        AND derived.measure_field = lines.measure_field
        AND derived.volume = volumes.volume
    WHERE lines.kind IN ('percentage', 'subtotal', 'minimum') AND NOT lines.is_kept AND (lines.is_in_scope OR NOT derived.is_unmoved)
),
results AS (
    SELECT * FROM counted
    UNION ALL
    SELECT * FROM derived
),
ranged AS (
    SELECT
        *,
        least(read_amount, least_amount, most_amount) AS low_amount,
        greatest(read_amount, least_amount, most_amount) AS high_amount
    FROM results
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    account_name,
    contract_id,
    volume,
    set_no,
    simulated_set_no,
    verdict,
    actual,
    quantity,
    old_amount,
    CASE WHEN error IS NULL AND low_amount = high_amount THEN low_amount END AS new_amount,
    CASE WHEN error IS NULL THEN low_amount END AS new_low,
    CASE WHEN error IS NULL THEN high_amount END AS new_high,
    try_cast(CASE WHEN error IS NULL AND low_amount = high_amount THEN low_amount - old_amount END AS DECIMAL(28, 10)) AS difference,
    try_cast(CASE WHEN error IS NULL THEN low_amount - old_amount END AS DECIMAL(28, 10)) AS difference_low,
    try_cast(CASE WHEN error IS NULL THEN high_amount - old_amount END AS DECIMAL(28, 10)) AS difference_high,
    CASE WHEN reason = '' THEN 'same terms' ELSE reason END AS why,
    error,
    CASE WHEN error IS NULL THEN read_amount END AS read_amount,
    CASE WHEN error IS NULL THEN least_amount END AS least_amount,
    CASE WHEN error IS NULL THEN most_amount END AS most_amount
FROM ranged
