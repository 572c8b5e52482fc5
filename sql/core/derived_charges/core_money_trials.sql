-- One row per line that is money of other lines, and candidate reading: what the reading bills, and whether the line says so.
-- A subtotal must also show the sum as its Actual, for its amount alone may be nothing. `is_telling`: the line is billed something, or the
-- reading expects it to be; a line of 0 where 0 is expected is evidence for no reading. A subtotal tells wherever it shows a sum.
-- departures: 0 where the amount follows from the terms (`fits`), 1 where it follows from them with the rate that the line itself shows in
-- place of the stated one, null where from neither.
-- Where the list's counted lines do not show how it rounds (core_price_list_roundings, `is_seen`), whatever rounding to the same decimals
-- fits: a right percentage is not accused of a tie that other lists round otherwise. `states_base`: the Actual that the line shows is the sum that the reading computes it from.
WITH exact AS (
    SELECT
        bases.*,
        readings.reading_no,
        readings.plausibility,
        readings.rule,
        sets.first_rate AS rate,
        headings.schedule_rate AS shown_rate,
        roundings.rounding,
        roundings.is_seen,
        units.unit,
        units.half,
        try(money_by_rule(readings.rule, sets.first_rate, bases.base_amount)) AS amount_exact
    FROM core_money_bases AS bases
    INNER JOIN core_money_readings AS readings USING (kind, base)
    INNER JOIN core_sets AS sets USING (set_no)
    LEFT JOIN core_line_headings AS headings ON headings.heading_no = bases.heading_no
    INNER JOIN core_price_list_roundings AS roundings ON roundings.price_list_id = sets.price_list_id
    INNER JOIN core_roundings AS units USING (rounding_no)
    SEMI JOIN core_money_shortlist AS shortlist
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
    heading_no,
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
