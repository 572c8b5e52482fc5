-- One row per rate ladder of a derived charge and interpretation that fits its lines as well as the leader, with a case on which they
-- differ: a billed line, or a hypothetical account with other charges of `charges` and one of `parting_charge` for a measure of the price
-- list that only one of the two counts. A candidate that differs on neither (on a list without credits, counted charges are all charges)
-- is equivalent to the leader and has no row. The leader's own row (`place` 1) has its widest difference.
WITH after_lines AS (
    SELECT set_no, list_distinct(flatten(list(measures_after))) AS measures
    FROM core_derived_lines
    GROUP BY set_no
),
sums AS (
    SELECT DISTINCT scores.set_no, readings.base, readings.base_word, readings.parts
    FROM core_derived_scores AS scores
    INNER JOIN core_derived_readings AS readings USING (reading_no)
    WHERE scores.is_tied
),
counted AS (
    -- the measures of the price list that a base counts; null for the Actual shown, which may be any sum
    SELECT DISTINCT
        own.set_no,
        others.measure_field,
        sums.base,
        CASE sums.base_word
            WHEN 'shown_actual' THEN NULL
            WHEN 'lines_before' THEN NOT coalesce(list_contains(after_lines.measures, others.measure_field), false)
            ELSE list_contains(sums.parts, charge_part(others.kind, others.measure_field, tiers.level))
        END AS is_counted
    FROM core_sets AS own
    INNER JOIN after_lines USING (set_no)
    INNER JOIN core_sets AS others
        ON others.price_list_id = own.price_list_id
        AND (others.account_report, others.measure_field) <> (own.account_report, own.measure_field)
    LEFT JOIN core_set_tiers AS tiers ON tiers.set_no = others.set_no AND tiers.tier = 1
    INNER JOIN sums ON sums.set_no = own.set_no
),
bases AS (
    SELECT set_no, base, string_agg(measure_field, ' ' ORDER BY measure_field) FILTER (WHERE is_counted) AS measures
    FROM counted
    GROUP BY set_no, base
),
tied AS (
    -- of interpretations that count the same measures by the same rule, only the first
    SELECT
        scores.set_no,
        scores.reading_no,
        scores.place,
        scores.alike_no,
        readings.base,
        readings.rule
    FROM core_derived_scores AS scores
    INNER JOIN core_derived_readings AS readings USING (reading_no)
    LEFT JOIN bases ON bases.set_no = scores.set_no AND bases.base = readings.base
    WHERE scores.is_tied
    QUALIFY row_number() OVER (
        PARTITION BY
            scores.set_no, scores.alike_no, readings.rule, bases.measures, readings.base_word = 'shown_actual'
        ORDER BY scores.place
    ) = 1
),
pairs AS (
    SELECT
        tied.*,
        leaders.reading_no AS leader_no,
        leaders.base AS leading_base,
        leaders.rule AS leading_rule,
        tied.alike_no = leaders.reading_no AS is_alike
    FROM tied
    INNER JOIN tied AS leaders ON leaders.set_no = tied.set_no AND leaders.place = 1
    WHERE tied.place <> 1
),
billed AS (
    SELECT
        pairs.set_no,
        pairs.reading_no,
        own.base_amount AS charges,
        NULL::DECIMAL(28, 10) AS parting_charge,
        NULL::VARCHAR AS parting_measure,
        own.expected_amount AS amount_there,
        led.expected_amount AS leading_amount_there
    FROM pairs
    INNER JOIN core_derived_trials AS own ON own.set_no = pairs.set_no AND own.reading_no = pairs.reading_no
    INNER JOIN core_derived_trials AS led
        USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    WHERE led.reading_no = pairs.leader_no
),
accounts AS (
    -- for a minimum: charges below it and above it
    SELECT
        set_no,
        unnest(CASE WHEN kind = 'minimum' THEN [first_rate * 0.5, try_cast(first_rate * 2 AS DECIMAL(28, 10))] ELSE [100] END)::DECIMAL(28, 10) AS charges,
        CASE WHEN kind = 'minimum' THEN first_rate ELSE 100 END::DECIMAL(28, 10) AS parting_charge
    FROM core_sets
),
imagined AS (
    SELECT
        set_no,
        reading_no,
        rule,
        leading_rule,
        charges,
        NULL AS parting_charge,
        NULL AS parting_measure,
        charges AS own_sum,
        charges AS leading_sum
    FROM pairs
    INNER JOIN accounts USING (set_no)
    WHERE is_alike
    UNION ALL
    SELECT
        pairs.set_no,
        pairs.reading_no,
        pairs.rule,
        pairs.leading_rule,
        accounts.charges,
        accounts.parting_charge,
        own.measure_field,
        accounts.charges + CASE WHEN own.is_counted THEN accounts.parting_charge ELSE 0 END,
        accounts.charges + CASE WHEN led.is_counted THEN accounts.parting_charge ELSE 0 END
    FROM pairs
    INNER JOIN accounts USING (set_no)
    INNER JOIN counted AS own ON own.set_no = pairs.set_no AND own.base = pairs.base
    INNER JOIN counted AS led
        ON led.set_no = pairs.set_no AND led.base = pairs.leading_base AND led.measure_field = own.measure_field
    WHERE pairs.is_alike AND led.is_counted <> own.is_counted
),
priced AS (
    SELECT
        imagined.set_no,
        imagined.reading_no,
        imagined.charges,
        imagined.parting_charge,
        imagined.parting_measure,
        -- null: too large
        try(money_line_amount(
            imagined.rule, sets.first_rate, imagined.own_sum, roundings.rounding, units.unit, units.half
        )) AS amount_there,
        try(money_line_amount(
            imagined.leading_rule, sets.first_rate, imagined.leading_sum, roundings.rounding, units.unit, units.half
        )) AS leading_amount_there
    FROM imagined
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_price_list_roundings AS roundings USING (price_list_id)
    INNER JOIN core_roundings AS units USING (rounding_no)
),
parted AS (
    SELECT *
    FROM (FROM billed UNION ALL FROM priced)
    WHERE amount_there <> leading_amount_there
    QUALIFY row_number() OVER (
        PARTITION BY set_no, reading_no ORDER BY parting_measure NULLS FIRST, abs(charges), charges, amount_there
    ) = 1
)
SELECT
    pairs.set_no,
    pairs.reading_no,
    pairs.place,
    parted.charges,
    parted.parting_charge,
    parted.parting_measure,
    parted.amount_there,
    parted.leading_amount_there,
    try_cast(abs(parted.amount_there - parted.leading_amount_there) AS DECIMAL(28, 10)) AS amount_at_stake
FROM pairs
INNER JOIN parted USING (set_no, reading_no)
UNION ALL
SELECT
    pairs.set_no,
    pairs.leader_no,
    1,
    parted.charges,
    parted.parting_charge,
    parted.parting_measure,
    parted.leading_amount_there,
    parted.leading_amount_there,
    try_cast(abs(parted.amount_there - parted.leading_amount_there) AS DECIMAL(28, 10))
FROM pairs
INNER JOIN parted USING (set_no, reading_no)
QUALIFY row_number() OVER (
    PARTITION BY pairs.set_no ORDER BY abs(parted.amount_there - parted.leading_amount_there) DESC, pairs.place
) = 1
