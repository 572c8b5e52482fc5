-- One row per line that is billed wrongly: the name of its fault, and the figures of the finding.
-- `doubt` makes an error a warning:
--     terms_read_later   the terms are from a price list read later, and most lines of the month show other terms
--     reading_undecided  the interpretation is undecided, and a tied candidate gives the amount or another tier's rate was billed
--     amount_is_right    the line is billed by the tier reached and shows another
--     number_unshown     a free tier explains the lines as well as an allowance left out of all of them (core_unshown_allowances); the
--                        amount expected is that of the interpretations that take the allowance off
--     few_lines_fit      less than half of the ladder's lines follow from its terms, whose interpretations all give the amount; not of a
--                        charge that is credited
--     applied_nowhere    a number was left out that no line of any list shows applied (core_applied_numbers), so it may not apply
-- `left_out`: the number (allowance, block or bound) without which the line is as billed. `missing_fee`: the fee beside the rate without
-- which it is. `witness`: the source of the terms. `listed_` columns are the terms of the schedule shown, `shown_` columns the values on
-- the line. `is_at_shown_rate`: the quantity billed has the amount billed by the rate and block shown. `is_by_slices`: in doubt about the
-- tier, the amount expected is that of slices up to the tier shown.
-- The expected amount is null on a line on which tied interpretations differ.
-- The faults are ordered from the most specific to the most general; the first that fits is the fault, so a line has one finding:
--     sign_mismatch          the correct amount with the wrong sign; a negative quantity, which has no price; or, where no interpretation
--                            is chosen, an amount below 0 by rates of which none is
--     rate_mismatch          the terms do not have the rate or the schedule shown
--     quantity_mismatch, allowance_not_applied, bound_ignored      another block is shown, or no allowance or bound
--     terms_differ           another number of the terms is shown, or one of these on a line of the correct amount
--     percentage_mismatch, minimum_mismatch      the amount of such a measure does not follow from its interpretation
--     allowance_not_applied, bound_ignored       the quantity billed is the quantity without that rule
--     quantity_mismatch      the quantity billed is another one
--     wrong_tier             the correct quantity at the rate of a tier that it, or a slice of it, does not reach; or, where the
--                            interpretation is undecided or the amount correct, at the rate of another tier than the line shows
--     amount_mismatch        the correct quantity; no rule of the interpretation gives the amount (`billed_model` is the model
--                            that does, `billed_fees` the fees that do)
-- If several interpretations are tied and none gives the billed amount, `expected_least` and `expected_most` are the range of their
-- amounts, and of those by other terms in force that may price it (core_other_outcomes; `left_open`: terms); else, if
-- roundings that fit the lines of the list alike (core_fitting_roundings), or are open, give different ones, of these (`left_open`:
-- rounding). The amount expected is the end of the range nearest to the billed amount; null if inside the range.
WITH other_tiers AS (
    SELECT
        suspects.network_id,
        suspects.mailbox_id,
        suspects.reporting_month,
        suspects.account_report,
        suspects.measure_field,
        -- the tier shown, if it explains the amount, else the nearest
        arg_min(
            tiers.tier,
            (tiers.tier IS DISTINCT FROM suspects.shown_tier, abs(tiers.tier - suspects.expected_tier), tiers.tier)
        ) AS billed_tier
    FROM core_suspect_lines AS suspects
    INNER JOIN core_set_tiers AS tiers USING (set_no)
    INNER JOIN core_chosen_readings AS readings ON readings.set_no = suspects.set_no
    INNER JOIN core_reading_roundings AS chosen ON chosen.set_no = readings.set_no AND chosen.reading_no = readings.reading_no
    INNER JOIN core_roundings AS roundings USING (rounding_no)
    WHERE suspects.verdict = 'differs'
        AND suspects.tiers > 1
        AND suspects.quantity_billed = suspects.expected_quantity_billed
        AND (
            CASE
                WHEN is_fee_model(suspects.model) THEN tiers.rate
                ELSE try(line_amount(
                    cost_at_rate(suspects.quantity_billed, suspects.billed_in, suspects.rate_per, tiers.block, tiers.rate),
                    roundings.rounding, roundings.unit, roundings.half
                ))
            END = suspects.amount
        )
    GROUP BY ALL
),
missing_fees AS (
    -- fees that a contract has beside the rate: all that the line is due, or one of them, is what the line was billed too little
    SELECT
        suspects.network_id,
        suspects.mailbox_id,
        suspects.reporting_month,
        suspects.account_report,
        suspects.measure_field,
        any_value(try(suspects.expected_amount - suspects.amount)) AS fee
    FROM core_suspect_lines AS suspects
    INNER JOIN core_set_tiers AS tiers USING (set_no)
    WHERE suspects.verdict = 'differs'
        AND suspects.quantity_billed = suspects.expected_quantity_billed
        AND tiers.flat > 0
        AND CASE suspects.model
            WHEN 'unit' THEN tiers.tier = 1
            WHEN 'volume' THEN tiers.tier = suspects.expected_tier
            WHEN 'graduated' THEN tiers.tier <= suspects.expected_tier
        END
    GROUP BY suspects.network_id, suspects.mailbox_id, suspects.reporting_month, suspects.account_report, suspects.measure_field
    HAVING any_value(try(suspects.expected_amount - suspects.amount)) = sum(tiers.flat)
        OR bool_or(try(suspects.expected_amount - suspects.amount) = tiers.flat)
),
other_fees AS (
    -- lines billed by the fees of the tiers, but by another rule: the sum up to a tier, or one fee times the quantity billed
    SELECT
        suspects.network_id,
        suspects.mailbox_id,
        suspects.reporting_month,
        suspects.account_report,
        suspects.measure_field,
        arg_min(
            CASE
                WHEN fees.total = suspects.amount THEN concat('the sum of the fees of all tiers up to ', fees.level)
                ELSE concat('the fee of ', fees.level, ' (', grouped_text(fees.rate), ') times the quantity billed')
            END,
            (fees.total IS DISTINCT FROM suspects.amount, abs(fees.tier - suspects.expected_tier), fees.tier)
        ) AS words
    FROM core_suspect_lines AS suspects
    INNER JOIN (
        SELECT set_no, tier, level, rate, CASE WHEN tier > 1 THEN sum(rate) OVER (PARTITION BY set_no ORDER BY tier) END AS total
        FROM core_set_tiers
    ) AS fees USING (set_no)
    WHERE suspects.verdict = 'differs'
        AND is_fee_model(suspects.model)
        AND suspects.quantity_billed = suspects.expected_quantity_billed
        AND suspects.amount <> 0
        AND (fees.total = suspects.amount OR try(fees.rate * suspects.quantity_billed) = suspects.amount)
    GROUP BY suspects.network_id, suspects.mailbox_id, suspects.reporting_month, suspects.account_report, suspects.measure_field
),
fitting AS (
    -- roundings of a line to the decimals of the one chosen, and those that are open; the slices of a line are not read here, so roundings of
    -- slices are left out
    SELECT sets.set_no, roundings.rounding, roundings.unit, roundings.half
    FROM core_chosen_readings AS chosen
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_fitting_roundings AS open ON open.price_list_id = sets.price_list_id AND open.is_fee = (sets.kind = 'fee')
    INNER JOIN core_roundings AS roundings ON roundings.rounding_no = open.rounding_no AND NOT is_of_slices(roundings.rounding)
    WHERE chosen.verdict <> 'none_fits'
    QUALIFY roundings.unit = arg_min(roundings.unit, open.place) OVER (PARTITION BY sets.set_no)
    UNION
    SELECT set_no, other.rounding, other.unit, other.half
    FROM (SELECT set_no, unnest(roundings) AS other FROM core_open_roundings)
    WHERE NOT (other.is_near OR is_of_slices(other.rounding) OR is_of_two_steps(other.rounding))
),
rounded AS (
    SELECT
        suspects.set_no,
        suspects.actual,
        least(min(amounts.amount), any_value(expected.expected_amount)) AS least,
        greatest(max(amounts.amount), any_value(expected.expected_amount)) AS most
    FROM (SELECT DISTINCT set_no, actual FROM core_suspect_lines) AS suspects
    INNER JOIN core_expected AS expected USING (set_no, actual)
    LEFT JOIN core_open_outcomes AS tied USING (set_no, actual)
    INNER JOIN fitting USING (set_no)
    CROSS JOIN LATERAL (
        SELECT try_cast(try(line_amount(expected.amount_exact, fitting.rounding, fitting.unit, fitting.half)) AS DECIMAL(28, 10)) AS amount
    ) AS amounts
    WHERE tied.is_contested IS NOT true
    GROUP BY suspects.set_no, suspects.actual
    HAVING min(amounts.amount) < max(amounts.amount)
),
credits AS (
    SELECT DISTINCT set_no
    FROM core_set_tiers
    WHERE least(rate, flat) < 0
),
firm_tiers AS (
    SELECT
        price_list_id, reporting_month, account_report, measure_field, terms_contract_id, set_no, tier,
        bool_and(is_firm) AS is_firm
    FROM core_tiers
    GROUP BY ALL
),
shown_rates AS (
    -- lines billed by the rate shown, which their terms do not have
    SELECT suspects.network_id, suspects.mailbox_id, suspects.reporting_month, suspects.account_report, suspects.measure_field
    FROM core_suspect_lines AS suspects
    INNER JOIN core_chosen_readings AS readings ON readings.set_no = suspects.set_no
    INNER JOIN core_reading_roundings AS chosen ON chosen.set_no = readings.set_no AND chosen.reading_no = readings.reading_no
    INNER JOIN core_roundings AS roundings USING (rounding_no)
    WHERE suspects.departs_in = 'rate'
        AND CASE
            WHEN is_fee_model(suspects.model) THEN suspects.shown_rate
            ELSE try(line_amount(
                cost_at_rate(suspects.quantity_billed, suspects.billed_in, suspects.rate_per, suspects.shown_block, suspects.shown_rate),
                roundings.rounding, roundings.unit, roundings.half
            ))
        END = suspects.amount
),
left_out AS (
    SELECT
        suspects.network_id,
        suspects.mailbox_id,
        suspects.reporting_month,
        suspects.account_report,
        suspects.measure_field,
        arg_min(rated.left_out, list_position(['allowance', 'bound', 'block'], rated.left_out)) AS number
    FROM core_suspect_lines AS suspects
    INNER JOIN core_fault_rated AS rated USING (set_no, actual)
    LEFT JOIN core_unshown_allowances AS unshown ON unshown.set_no = suspects.set_no
    WHERE
        CASE
            WHEN suspects.verdict = 'undecided'
                THEN unshown.set_no IS NOT NULL
                AND rated.left_out = 'allowance'
                AND rated.quantity_billed = suspects.quantity_billed
                AND rated.amount = suspects.amount
                AND suspects.expected_least < suspects.amount
            WHEN suspects.verdict <> 'differs' THEN false
            WHEN suspects.quantity_billed <> suspects.expected_quantity_billed
                THEN rated.quantity_billed = suspects.quantity_billed
            ELSE rated.amount = suspects.amount
        END
    GROUP BY ALL
),
shown_tiers AS (
    -- amount by the tier shown, where the interpretation is undecided and another tier's rate was billed: that of the tied candidate that
    -- reaches the tier and is nearest to the amount billed. The other rate is that of the tier reached, or, on a line that shows the tier
    -- reached, the first rate for all. None where a tied candidate gives the amount in the tier shown, nor at a Maximum of slices
    SELECT
        suspects.network_id,
        suspects.mailbox_id,
        suspects.reporting_month,
        suspects.account_report,
        suspects.measure_field,
        try_cast(try(line_amount(
            cost_at_rate(suspects.quantity_billed, suspects.billed_in, suspects.rate_per, tiers.block, tiers.rate),
            roundings.rounding, roundings.unit, roundings.half
        )) AS DECIMAL(28, 10)) AS whole_amount,
        coalesce(
            list_sort(list_transform(
                list_filter(
                    list_append(
                        open.outcomes,
                        struct_pack(
                            quantity := expected.expected_quantity_billed,
                            amount := expected.expected_amount,
                            amount_exact := expected.amount_exact,
                            tier := expected.expected_tier
                        )
                    ),
                    lambda tied: tied.quantity = suspects.quantity_billed AND tied.tier = suspects.shown_tier
                ),
                lambda tied: struct_pack(distance := abs(tied.amount - suspects.amount), amount := tied.amount)
            ))[1].amount,
            whole_amount
        )::DECIMAL(28, 10) AS amount,
        CASE WHEN suspects.shown_tier = suspects.expected_tier THEN 1 ELSE suspects.expected_tier END AS billed_tier
    FROM core_suspect_lines AS suspects
    INNER JOIN core_expected AS expected ON expected.set_no = suspects.set_no AND expected.actual = suspects.actual
    LEFT JOIN core_open_outcomes AS open ON open.set_no = suspects.set_no AND open.actual = suspects.actual
    INNER JOIN core_set_tiers AS firsts ON firsts.set_no = suspects.set_no AND firsts.tier = 1
    INNER JOIN core_set_tiers AS tiers ON tiers.set_no = suspects.set_no AND tiers.tier = suspects.shown_tier
    INNER JOIN core_chosen_readings AS readings ON readings.set_no = suspects.set_no
    INNER JOIN core_reading_roundings AS chosen ON chosen.set_no = readings.set_no AND chosen.reading_no = readings.reading_no
    INNER JOIN core_roundings AS roundings USING (rounding_no)
    INNER JOIN core_sets AS sets ON sets.set_no = suspects.set_no
    WHERE suspects.verdict = 'undecided'
        AND NOT is_fee_model(suspects.model)
        AND sets.contract_model IS DISTINCT FROM 'unit' -- one rate for all: no later tier prices anything
        AND suspects.shown_tier > 1
        -- where the list has other bounds, the tier shown is the list's
        AND NOT (
            suspects.is_as_listed
            AND NOT is_same_bounds(suspects.shown_minimum, suspects.shown_maximum, suspects.listed_minimum, suspects.listed_maximum)
        )
        AND NOT (suspects.model = 'graduated' AND suspects.is_at_maximum)
        AND coalesce(len(list_filter(
            open.outcomes,
            lambda tied: tied.quantity = suspects.quantity_billed AND tied.amount = suspects.amount AND tied.tier = suspects.shown_tier
        )), 0) = 0
        AND CASE
            WHEN suspects.shown_tier <> suspects.expected_tier THEN suspects.amount = suspects.expected_amount
            ELSE suspects.model <> 'unit'
                AND suspects.amount <> suspects.expected_amount
                AND suspects.amount = line_amount(
                    cost_at_rate(suspects.quantity_billed, suspects.billed_in, suspects.rate_per, firsts.block, firsts.rate),
                    roundings.rounding, roundings.unit, roundings.half
                )
        END
),
faults AS (
    SELECT
        suspects.network_id,
        suspects.mailbox_id,
        suspects.reporting_month,
        suspects.account_report,
        suspects.measure_field,
        suspects.price_list_id,
        suspects.set_no,
        suspects.kind,
        suspects.unit,
        suspects.verdict,
        suspects.actual,
        suspects.quantity_billed,
        suspects.expected_quantity_billed,
        suspects.amount AS billed_amount,
        CASE
            WHEN shown_tiers.amount IS NOT NULL THEN shown_tiers.amount
            WHEN unshown.set_no IS NOT NULL AND left_out.number = 'allowance'
                -- a candidate that takes the allowance off gives more than was billed
                THEN CASE WHEN suspects.expected_most <= suspects.amount THEN suspects.expected_least END
            WHEN suspects.verdict = 'undecided' THEN NULL
            WHEN other.terms_no IS NOT NULL THEN CASE
                WHEN suspects.amount >= other.expected_most THEN other.expected_most
                WHEN suspects.amount <= other.expected_least THEN other.expected_least
            END
            WHEN suspects.expected_least < suspects.expected_most THEN CASE
                WHEN suspects.amount >= suspects.expected_most THEN suspects.expected_most
                WHEN suspects.amount <= suspects.expected_least THEN suspects.expected_least
            END
            WHEN suspects.amount >= rounded.most THEN rounded.most
            WHEN suspects.amount <= rounded.least THEN rounded.least
            WHEN rounded.set_no IS NOT NULL THEN NULL
            ELSE suspects.expected_amount
        END AS expected_amount,
        coalesce(other.expected_least, rounded.least, suspects.expected_least) AS expected_least,
        coalesce(other.expected_most, rounded.most, suspects.expected_most) AS expected_most,
        CASE
            WHEN other.terms_no IS NOT NULL THEN 'terms'
            WHEN rounded.set_no IS NOT NULL THEN 'rounding'
        END AS left_open,
        suspects.allowance,
        suspects.departs_in,
        suspects.is_as_listed,
        suspects.shown_rate,
        shown_rates.network_id IS NOT NULL AS is_at_shown_rate,
        suspects.listed_rate,
        suspects.shown_block,
        suspects.listed_block,
        suspects.shown_allowance,
        suspects.listed_allowance,
        suspects.shown_minimum,
        suspects.listed_minimum,
        suspects.shown_maximum,
        suspects.listed_maximum,
        suspects.terms_source,
        suspects.witness,
        suspects.terms_contract_id,
        CASE
            WHEN NOT coalesce(suspects.is_firm, true) OR NOT coalesce(firm_tiers.is_firm, true) THEN 'terms_read_later'
            WHEN shown_tiers.amount IS NOT NULL THEN 'reading_undecided'
            WHEN unshown.set_no IS NOT NULL AND left_out.number = 'allowance' THEN 'number_unshown'
            WHEN suspects.verdict = 'fits' AND suspects.departs_in IS NULL THEN 'amount_is_right'
            WHEN suspects.verdict = 'differs' AND suspects.expected_least < suspects.expected_most
                AND suspects.amount IN (suspects.expected_least, suspects.expected_most) THEN 'reading_undecided'
            WHEN suspects.is_of_none AND suspects.departs_in IS NULL AND NOT (suspects.amount < 0 AND suspects.expected_amount > 0)
                THEN 'few_lines_fit'
            WHEN left_out.number IS NOT NULL
                AND coalesce(suspects.departs_in, 'allowance') IN ('allowance', 'bounds')
                AND NOT EXISTS (
                    FROM core_applied_numbers AS applied
                    WHERE applied.account_report = suspects.account_report
                        AND applied.measure_field = suspects.measure_field
                        AND applied.departed = left_out.number
                )
                THEN 'applied_nowhere'
        END AS doubt,
        left_out.number AS left_out,
        missing_fees.fee AS missing_fee,
        coalesce(shown_tiers.amount <> shown_tiers.whole_amount, false) AS is_by_slices,
        suspects.schedule_id,
        suspects.shown_tier,
        suspects.expected_tier,
        CASE
            WHEN shown_tiers.amount IS NOT NULL THEN shown_tiers.billed_tier
            WHEN suspects.verdict = 'fits' THEN suspects.expected_tier
            ELSE other_tiers.billed_tier
        END AS billed_tier,
        suspects.model,
        other_model.left_out AS billed_model,
        other_fees.words AS billed_fees,
        suspects.error,
        CASE
            WHEN suspects.verdict = 'differs' AND suspects.amount <> 0 AND suspects.amount = -suspects.expected_amount
                THEN 'sign_mismatch'
            WHEN suspects.error LIKE 'negative\_quantity%' ESCAPE '\' THEN 'sign_mismatch'
            WHEN suspects.verdict = 'not_provable'
                AND suspects.amount < 0
                AND suspects.actual > 0
                AND suspects.quantity_billed > 0
                AND suspects.kind NOT IN ('percentage', 'subtotal', 'minimum')
                AND credits.set_no IS NULL
                THEN 'sign_mismatch'
            WHEN suspects.departs_in IN ('rate', 'schedule') THEN 'rate_mismatch'
            WHEN suspects.departs_in IS NOT NULL AND suspects.verdict = 'fits' THEN 'terms_differ'
            WHEN suspects.departs_in = 'block' THEN 'quantity_mismatch'
            WHEN suspects.departs_in = 'allowance' AND suspects.shown_allowance = 0 THEN 'allowance_not_applied'
            WHEN suspects.departs_in = 'bounds' AND suspects.tiers = 1
                AND coalesce(suspects.shown_minimum, 0) = 0 AND is_open_end(suspects.shown_maximum) THEN 'bound_ignored'
            WHEN suspects.departs_in IS NOT NULL THEN 'terms_differ'
            WHEN shown_tiers.amount IS NOT NULL OR suspects.verdict = 'fits' THEN 'wrong_tier'
            WHEN left_out.number = 'allowance' THEN 'allowance_not_applied'
            WHEN suspects.verdict <> 'differs' THEN NULL
            WHEN suspects.kind = 'percentage' THEN 'percentage_mismatch'
            WHEN suspects.kind = 'minimum' THEN 'minimum_mismatch'
            WHEN suspects.kind = 'subtotal' THEN 'amount_mismatch'
            WHEN left_out.number = 'bound' THEN 'bound_ignored'
            WHEN suspects.quantity_billed <> suspects.expected_quantity_billed THEN 'quantity_mismatch'
            WHEN missing_fees.fee IS NOT NULL THEN 'amount_mismatch'
            -- the tier reached is no wrong one, unless only a slice of the quantity is in it
            WHEN other_tiers.billed_tier = CASE WHEN suspects.model = 'unit' THEN 1 ELSE suspects.expected_tier END
                AND (other_tiers.billed_tier = 1 OR suspects.model IN ('volume', 'stairstep')) THEN 'amount_mismatch'
            WHEN other_tiers.billed_tier IS NOT NULL THEN 'wrong_tier'
            ELSE 'amount_mismatch'
        END AS fault
    FROM core_suspect_lines AS suspects
    LEFT JOIN core_fault_rated AS other_model
        ON other_model.set_no = suspects.set_no
        AND other_model.actual = suspects.actual
        AND other_model.left_out IN ('volume', 'graduated')
        AND other_model.amount = suspects.amount
    LEFT JOIN other_tiers USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN missing_fees USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN other_fees USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN shown_rates USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN left_out USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN core_unshown_allowances AS unshown ON unshown.set_no = suspects.set_no
    LEFT JOIN shown_tiers USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN credits ON credits.set_no = suspects.set_no
    LEFT JOIN rounded ON rounded.set_no = suspects.set_no AND rounded.actual = suspects.actual AND suspects.verdict = 'differs'
    LEFT JOIN core_other_outcomes AS other
        ON other.terms_no = suspects.terms_no
        AND other.actual = suspects.actual
        AND other.quantity = suspects.quantity_billed
        AND other.amount = suspects.amount
        AND other.expected_least < other.expected_most
        AND suspects.verdict = 'differs'
    LEFT JOIN firm_tiers
        ON firm_tiers.price_list_id = suspects.price_list_id
        AND firm_tiers.reporting_month = suspects.reporting_month
        AND firm_tiers.account_report = suspects.account_report
        AND firm_tiers.measure_field = suspects.measure_field
        AND firm_tiers.terms_contract_id = suspects.terms_contract_id
        AND firm_tiers.set_no = suspects.set_no
        AND firm_tiers.tier = suspects.expected_tier
)
SELECT *, billed_amount - expected_amount AS difference
FROM faults
