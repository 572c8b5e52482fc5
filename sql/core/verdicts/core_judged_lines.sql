-- One row per line with its own attributes: the billed amounts, the expected amounts, and the verdict.
-- kept as: view
--     fits          billed with its network (core_aggregated_lines), or quantity and amount equal those of every tied interpretation; or
--                   billed 0 for usage that is free, whatever quantity is stated for it
--     differs       quantity or amount differ from those of every tied interpretation; or no interpretation fits the ladder, and the amount
--                   is not the one that all candidates give (core_agreed_amounts)
--     undecided     quantity and amount equal those of some tied interpretations, not of others; or another rounding
--                   that is open gives the amount; or the price may depend on tiers beside the only one that is known; or other
--                   terms in force that may price the line give them (core_other_outcomes)
--     not_provable  no schedule, no interpretation that explains half of the ladder's telling lines, no price for the quantity, or another
--                   amount than expected where the price may depend on a tier that no source gives
SELECT
    lines.network_id,
    lines.mailbox_id,
    line_terms.reporting_month,
    line_terms.account_report,
    line_terms.measure_field,
    lines.terms_no,
    lines.line_item_number,
    lines.line_date,
    lines.system_id,
    lines.system_name,
    line_terms.price_list_id,
    line_terms.set_no,
    line_terms.shown_tier,
    line_terms.schedule_id,
    lines.actual,
    lines.quantity_billed,
    lines.is_taxable,
    lines.amount,
    lines.extra,
    lines.pulled_at,
    lines.response_sha256,
    aggregated.terms_no IS NOT NULL AS is_aggregated,
    line_terms.shows_other_schedule,
    line_terms.shown_rate,
    line_terms.shown_block,
    line_terms.terms_source,
    line_terms.witness,
    coalesce(expected.expected_tier, agreed.tier) AS expected_tier,
    CASE
        WHEN money.set_no IS NOT NULL OR aggregated.terms_no IS NOT NULL THEN lines.quantity_billed
        WHEN list_contains(agreed.quantities, lines.quantity_billed) THEN lines.quantity_billed
        WHEN len(agreed.quantities) = 1 THEN agreed.quantities[1]
        ELSE expected.expected_quantity_billed
    END AS expected_quantity_billed,
    CASE
        WHEN aggregated.terms_no IS NOT NULL THEN lines.amount
        WHEN expected.is_past_unknown AND lines.amount <> expected.expected_amount THEN NULL
        ELSE coalesce(money.expected_amount, expected.expected_amount, agreed.amount)
    END AS expected_amount,
    lines.amount
    - CASE
        WHEN aggregated.terms_no IS NOT NULL THEN lines.amount
        WHEN expected.is_past_unknown AND lines.amount <> expected.expected_amount THEN NULL
        ELSE coalesce(money.expected_amount, expected.expected_amount, agreed.amount)
    END AS difference,
    expected.error,
    coalesce(money.expected_least, CASE WHEN others.is_given THEN others.expected_least END, outcomes.expected_least) AS expected_least,
    coalesce(money.expected_most, CASE WHEN others.is_given THEN others.expected_most END, outcomes.expected_most) AS expected_most,
    CASE
        WHEN aggregated.terms_no IS NOT NULL THEN 'fits'
        WHEN money.is_contested THEN 'undecided'
        WHEN money.set_no IS NOT NULL THEN CASE WHEN money.fits THEN 'fits' ELSE 'differs' END
        WHEN others.is_given THEN 'undecided'
        WHEN agreed.set_no IS NOT NULL THEN 'differs'
        WHEN expected.expected_amount IS NULL THEN 'not_provable'
        WHEN lines.amount = expected.expected_amount
            AND (
                lines.quantity_billed = expected.expected_quantity_billed
                OR (lines.amount = 0 AND expected.expected_quantity_billed = 0 AND lines.actual > 0)
            )
            THEN CASE WHEN outcomes.is_contested OR expected.is_beside_unknown THEN 'undecided' ELSE 'fits' END
        -- nulls are tested first: DuckDB runs a lambda on each batch of rows that gets there, which took three quarters of the time
        WHEN outcomes.outcomes IS NOT NULL AND len(list_filter(
            outcomes.outcomes,
            lambda tied: tied.quantity = lines.quantity_billed
            AND (
                tied.amount = lines.amount
                OR is_rounded_otherwise(lines.amount, tied.amount_exact, greatest(tied.tier, 1), open.roundings)
            )
        )) > 0
            THEN 'undecided'
        WHEN open.roundings IS NOT NULL
            AND lines.quantity_billed = expected.expected_quantity_billed
            AND is_rounded_otherwise(lines.amount, expected.amount_exact, expected.expected_tier, open.roundings)
            THEN 'undecided'
        WHEN expected.is_past_unknown THEN 'not_provable'
        ELSE 'differs'
    END AS verdict
FROM core_line_facts AS lines
LEFT JOIN core_terms_sets AS line_terms USING (terms_no)
LEFT JOIN core_expected AS expected ON expected.set_no = line_terms.set_no AND expected.actual = lines.actual
LEFT JOIN core_open_outcomes AS outcomes ON outcomes.set_no = line_terms.set_no AND outcomes.actual = lines.actual
LEFT JOIN core_other_outcomes AS others
    ON others.terms_no = lines.terms_no
    AND others.actual = lines.actual
    AND others.quantity = lines.quantity_billed
    AND others.amount = lines.amount
LEFT JOIN core_open_roundings AS open ON open.set_no = line_terms.set_no
LEFT JOIN core_agreed_amounts AS agreed
    ON agreed.set_no = line_terms.set_no
    AND agreed.actual = lines.actual
    AND coalesce(try(abs(lines.amount - agreed.amount_exact)) >= agreed.tolerance, true)
    AND (
        agreed.least_fee IS NULL
        OR coalesce(
            try(
                greatest(agreed.least_fee - abs(lines.amount), abs(lines.amount) - agreed.most_fee, 0) * 2
                >= abs(abs(lines.amount) - agreed.amount)
            ),
            true
        )
    )
LEFT JOIN core_derived_expected AS money USING (network_id, mailbox_id, terms_no)
LEFT JOIN core_aggregated_lines AS aggregated USING (network_id, mailbox_id, terms_no)
