-- One row per derived charge and candidate interpretation: the amount that the interpretation gives, and whether the line fits.
-- A subtotal must also show the sum as its Actual, because its amount may be 0. `is_telling`: the billed or the expected amount is not 0; a
-- line of 0 where 0 is expected is no evidence. A subtotal is telling if it shows a sum.
-- departures: 0 if the amount follows from the terms (`fits`), 1 if it follows from them with the rate shown on the line instead, else
-- null.
-- If the list's usage lines do not show how it rounds (core_price_list_roundings, `is_seen`), any rounding to the same decimals fits.
-- `states_base`: the Actual of the line is the interpretation's base.
WITH exact AS (
    SELECT
        bases.*,
        readings.reading_no,
        readings.plausibility,
        readings.rule,
        sets.first_rate AS rate,
        line_terms.schedule_rate AS shown_rate,
        roundings.rounding,
        roundings.is_seen,
        units.unit,
        units.half,
        try(money_by_rule(readings.rule, sets.first_rate, bases.base_amount)) AS amount_exact
    FROM core_derived_bases AS bases
    INNER JOIN core_derived_readings AS readings USING (kind, base)
    INNER JOIN core_sets AS sets USING (set_no)
    LEFT JOIN core_line_terms AS line_terms ON line_terms.terms_no = bases.terms_no
    INNER JOIN core_price_list_roundings AS roundings ON roundings.price_list_id = sets.price_list_id
    INNER JOIN core_roundings AS units USING (rounding_no)
    SEMI JOIN core_derived_shortlist AS shortlist
        ON shortlist.set_no = bases.set_no AND shortlist.reading_no = readings.reading_no
),
rounded AS (
    SELECT
        *,
        trial_amount(amount, amount_exact, is_seen, rounding, unit, half) AS expected_amount,
        CASE
            WHEN kind <> 'subtotal' AND shown_rate <> rate
                THEN trial_amount(amount, try(money_by_rule(rule, shown_rate, base_amount)), is_seen, rounding, unit, half)
        END AS amount_at_shown_rate
    FROM exact
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    terms_no,
    set_no,
    reading_no,
    plausibility,
    kind,
    base,
    rule,
    rate,
    base_amount,
    actual,
    amount,
    amount_exact,
    is_base_open,
    expected_amount,
    amount = expected_amount AND (kind <> 'subtotal' OR actual = base_amount) AS fits,
    CASE WHEN fits THEN 0 WHEN amount = amount_at_shown_rate THEN 1 END AS departures,
    amount <> 0 OR expected_amount <> 0 OR (kind = 'subtotal' AND (actual <> 0 OR base_amount <> 0)) AS is_telling,
    base <> 'shown_actual' AND base_amount <> 0 AND actual = base_amount AS states_base
FROM rounded
