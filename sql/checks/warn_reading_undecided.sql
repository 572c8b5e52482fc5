-- One row per price list, report and measure whose lines do not decide the interpretation, with the last month of such lines.
-- title: More than one interpretation of the price list fits
-- If several of its rate ladders are undecided, the latest is named. No row where a gap or an overlap of the tiers is the reason: that
-- finding has the amount at stake. Where no interpretation explains half of a derived charge's lines, the amounts are the month's sums: billed,
-- and by the candidate that is nearest to the lines. Where a minimum may be due whole, they are those of the nearest true-up that is tied.
WITH months AS (
    SELECT price_list_id, account_report, measure_field, set_no, max(reporting_month) AS reporting_month
    FROM core_tiers
    SEMI JOIN core_lines USING (set_no, reporting_month)
    GROUP BY price_list_id, account_report, measure_field, set_no
),
tied AS (
    SELECT
        tied.set_no,
        few_text(list(
            concat(
                reading_text(readings.reading_id),
                coalesce(' bills ' || money_text(tied.amount_there), ' has no price for it')
            )
            ORDER BY tied.place
        )) AS words
    FROM core_tied_candidates AS tied
    INNER JOIN core_tied_candidates AS leader ON leader.set_no = tied.set_no AND leader.place = 1
    INNER JOIN core_set_readings AS readings ON readings.set_no = tied.set_no AND readings.reading_no = tied.reading_no
    WHERE tied.deciding_quantity = leader.deciding_quantity
    GROUP BY tied.set_no
),
open_readings AS (
    SELECT tied.set_no, few_text(list(reading_text(readings.reading_id) ORDER BY tied.place)) AS words
    FROM core_tied_candidates AS tied
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    GROUP BY tied.set_no
),
roundings AS (
    SELECT
        open.set_no,
        concat(
            'Of its ', open.tried, CASE WHEN open.tried = 1 THEN ' line' ELSE ' lines' END, ' with something to round, ', open.lines,
            CASE WHEN open.lines = 1 THEN ' differs' ELSE ' differ' END,
            CASE
                WHEN open.is_cash
                    THEN concat(
                        ' from amounts in cents, ', too_much_text(open.difference), ' in all: they are rounded to ',
                        CASE WHEN ends_with(chosen.rounding, '_fives') THEN 'multiples of 0.05' ELSE 'multiples of 0.1' END,
                        ', which no terms state. Ask the vendor whether the contract rounds so.'
                    )
                ELSE concat(
                    ' from the rounding that fits best, ', too_much_text(open.difference),
                    ' in all: slices may be rounded one by one, or amounts in two steps or to other decimals. Ask the vendor how amounts are rounded.'
                )
            END
        ) AS words
    FROM core_open_roundings AS open
    INNER JOIN core_chosen_readings USING (set_no)
    INNER JOIN core_reading_roundings AS chosen USING (set_no, reading_no)
),
money AS (
    SELECT
        chosen.set_no,
        chosen.verdict,
        chosen.telling_lines_explained,
        chosen.telling_lines,
        coalesce(bool_or(readings.rule IN ('whole_when_below', 'always')), false) AS is_rate_alone
    FROM core_derived_chosen AS chosen
    LEFT JOIN core_derived_tied_candidates AS tied ON tied.set_no = chosen.set_no
    LEFT JOIN core_derived_readings AS readings ON readings.reading_no = tied.reading_no
    WHERE chosen.verdict IN ('undecided', 'none_fits')
    GROUP BY ALL
),
nearest AS (
    SELECT
        months.set_no,
        trials.reading_no,
        sum(trials.amount) AS billed_amount,
        sum(trials.expected_amount) AS expected_amount
    FROM months
    INNER JOIN money ON money.set_no = months.set_no
    INNER JOIN core_derived_trials AS trials ON trials.set_no = months.set_no AND trials.reporting_month = months.reporting_month
    LEFT JOIN core_derived_tied_candidates AS tied ON tied.set_no = trials.set_no AND tied.reading_no = trials.reading_no
    WHERE CASE
        WHEN money.verdict = 'none_fits' THEN trials.plausibility = 'ordinary'
        ELSE money.is_rate_alone AND trials.rule = 'true_up' AND tied.set_no IS NOT NULL
    END
    GROUP BY months.set_no, trials.reading_no
    HAVING NOT bool_or(trials.is_base_open OR trials.expected_amount IS NULL) AND sum(trials.amount) <> sum(trials.expected_amount)
    QUALIFY row_number() OVER (
        PARTITION BY months.set_no ORDER BY sum(abs(trials.amount - trials.expected_amount)), trials.reading_no
    ) = 1
),
negative_blocks AS (
    SELECT set_no, min(block) AS block
    FROM core_set_tiers
    WHERE block < 0
    GROUP BY set_no
),
lone AS (
    SELECT set_no, any_value(tiers.level) AS level
    FROM core_unknown_tiers
    INNER JOIN core_set_tiers AS tiers USING (set_no)
    WHERE is_lone
    GROUP BY set_no
),
money_rivals AS (
    SELECT
        tied.set_no,
        concat(
            'For ', deciding_account_text(tied.charges, tied.parting_charge, tied.parting_measure), ', ',
            words.rule, ' bills ', money_text(tied.amount_there), ' and ', best.rule, ' ',
            money_text(tied.leading_amount_there), ': up to ', money_text(leader.amount_at_stake),
            ' per such account at stake. '
        ) AS words
    FROM core_derived_tied_candidates AS leader
    INNER JOIN core_derived_tied_candidates AS tied ON tied.set_no = leader.set_no AND tied.place > 1
    INNER JOIN core_derived_rules AS words ON words.reading_no = tied.reading_no
    INNER JOIN core_derived_rules AS best ON best.reading_no = leader.reading_no
    WHERE leader.place = 1
    QUALIFY row_number() OVER (PARTITION BY tied.set_no ORDER BY tied.amount_at_stake DESC, tied.place) = 1
)
SELECT
    months.reporting_month,
    months.account_report,
    months.measure_field,
    months.price_list_id,
    try_cast(nearest.billed_amount AS DECIMAL(28, 10)) AS billed_amount,
    try_cast(nearest.expected_amount AS DECIMAL(28, 10)) AS expected_amount,
    try_cast(nearest.billed_amount - nearest.expected_amount AS DECIMAL(28, 10)) AS difference,
    CASE
        WHEN lone.set_no IS NOT NULL AND chosen.verdict = 'undecided' THEN concat(
            'No price list states the tiers of ', months.account_report, ' ', months.measure_field, ' of price list ', months.price_list_id,
            ', and its lines show one of them alone, ', lone.level, ': what the others bill is unknown. ',
            'Ask the vendor for the price list, or wait for lines of other tiers.', coalesce(' ' || roundings.words, '')
        )
        WHEN tied.set_no IS NULL AND chosen.verdict <> 'none_fits' THEN concat(
            'The lines of price list ', months.price_list_id, ' do not decide how amounts of ', months.account_report, ' ',
            months.measure_field, ' are rounded. ', roundings.words
        )
        WHEN chosen.verdict = 'undecided' THEN concat(
            'The lines of price list ', months.price_list_id, ' fit more than one interpretation of ', months.account_report, ' ',
            months.measure_field, ': ', open_readings.words, '. At a quantity of ', grouped_text(chosen.deciding_quantity), ' ', tied.words,
            CASE WHEN chosen.amount_at_stake > 0 THEN concat(': up to ', money_text(chosen.amount_at_stake), ' per line at stake') ELSE '' END,
            '. Ask the vendor, or wait for lines of that quantity.', coalesce(' ' || roundings.words, '')
        )
        WHEN money.verdict = 'undecided' THEN concat(
            'The lines of price list ', months.price_list_id, ' do not decide the interpretation of ', months.account_report, ' ',
            months.measure_field, '. ',
            CASE
                WHEN nearest.set_no IS NOT NULL THEN concat(
                    'Billed in ', strftime(months.reporting_month, '%Y-%m'), ': ', money_text(nearest.billed_amount), '; ', nearest_rule.rule,
                    ' gives ', money_text(nearest.expected_amount), ': ', money_text(abs(nearest.billed_amount - nearest.expected_amount)),
                    ' at stake. Lines billed the whole minimum do not tell whether it was meant. ',
                    'Ask the vendor, and state the answer in pinned_readings.csv.'
                )
                ELSE coalesce(
                    money_rivals.words || 'Ask the vendor, or wait for such accounts.',
                    concat('Telling lines: ', money.telling_lines_explained, '; at least 2 are needed. Ask the vendor, or wait for another line.')
                )
            END
        )
        ELSE concat(
            'No interpretation explains half of the telling lines of price list ', months.price_list_id, ', ', months.account_report, ' ',
            months.measure_field, ' (the best explains ', coalesce(chosen.telling_lines_explained, money.telling_lines_explained), ' of ',
            coalesce(chosen.telling_lines, money.telling_lines), '): the amounts are unverified. ',
            'Block is ' || grouped_text(negative_blocks.block) || ', by which nothing has a price. ',
            CASE
                WHEN nearest.set_no IS NOT NULL THEN concat(
                    'Billed in ', strftime(months.reporting_month, '%Y-%m'), ': ', money_text(nearest.billed_amount),
                    '; the nearest, ', nearest_rule.rule, ', gives ', money_text(nearest.expected_amount), ': ',
                    too_much_text(nearest.billed_amount - nearest.expected_amount), '. '
                )
                ELSE ''
            END,
            'Ask the vendor how the terms apply.'
        )
    END AS explanation
FROM months
LEFT JOIN core_chosen_readings AS chosen USING (set_no)
LEFT JOIN tied USING (set_no)
LEFT JOIN open_readings USING (set_no)
LEFT JOIN roundings USING (set_no)
LEFT JOIN lone USING (set_no)
LEFT JOIN money USING (set_no)
LEFT JOIN money_rivals USING (set_no)
LEFT JOIN nearest ON nearest.set_no = months.set_no
LEFT JOIN negative_blocks ON negative_blocks.set_no = months.set_no
LEFT JOIN core_derived_rules AS nearest_rule ON nearest_rule.reading_no = nearest.reading_no
WHERE (
        (chosen.verdict = 'undecided' AND (open_readings.set_no IS NOT NULL OR lone.set_no IS NOT NULL))
        OR (
            chosen.verdict = 'none_fits'
            -- lines that follow from other terms in force
            AND NOT EXISTS (FROM core_trial_lines AS lines WHERE lines.set_no = months.set_no AND lines.is_given)
            -- tiers by which nothing has a price
            AND NOT (chosen.lines_explained = 0 AND EXISTS (FROM core_tier_faults AS faults WHERE faults.set_no = months.set_no AND faults.fault = 'tier_overlap'))
        )
        OR roundings.set_no IS NOT NULL
        OR money.set_no IS NOT NULL
    )
    AND NOT (
        coalesce(chosen.verdict, '') = 'undecided'
        AND roundings.set_no IS NULL
        AND EXISTS (FROM core_tier_faults AS faults WHERE faults.set_no = months.set_no)
        AND NOT EXISTS (
            -- every tied candidate differs from the chosen interpretation only in the tier bounds
            FROM core_tied_candidates AS tied
            INNER JOIN core_set_readings AS other ON other.set_no = tied.set_no AND other.reading_no = tied.reading_no
            INNER JOIN core_set_readings AS best ON best.set_no = tied.set_no AND best.reading_no = chosen.reading_no
            WHERE tied.set_no = months.set_no AND other.model <> best.model
        )
    )
QUALIFY row_number() OVER (
    PARTITION BY months.price_list_id, months.account_report, months.measure_field
    ORDER BY months.reporting_month DESC, months.set_no DESC
) = 1
