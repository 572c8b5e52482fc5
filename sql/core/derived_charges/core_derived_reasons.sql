-- One row per rate ladder of a derived charge: why its interpretation was chosen and what would change that, one sentence each.
-- `reason` counts the telling lines that the chosen interpretation explains, and how many of them the nearest alternatives miss: another
-- rule of the same base, and the same rule of another base. `change_words` counts the lines billed differently that would leave the
-- interpretation undecided, or names what would decide it.
WITH chosen AS (
    SELECT
        chosen.*,
        sets.kind,
        sets.first_rate,
        readings.rule,
        readings.base,
        readings.plausibility,
        rules.rule_name,
        roundings.rounding,
        roundings.is_seen,
        units.unit,
        units.half
    FROM core_derived_chosen AS chosen
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_derived_readings AS readings USING (reading_no)
    INNER JOIN core_derived_rules AS rules USING (reading_no)
    INNER JOIN core_price_list_roundings AS roundings ON roundings.price_list_id = sets.price_list_id
    INNER JOIN core_roundings AS units USING (rounding_no)
),
own AS (
    SELECT trials.* REPLACE (telling.set_no IS NOT NULL AS is_telling)
    FROM core_derived_trials AS trials
    SEMI JOIN chosen USING (set_no, reading_no)
    LEFT JOIN core_derived_telling_lines AS telling
        USING (set_no, network_id, mailbox_id, reporting_month, account_report, measure_field)
),
places AS (
    -- per ladder: whether all telling lines are below the minimum, and whether each account has one
    SELECT
        set_no,
        bool_and(base_amount < rate) AND any_value(kind) = 'minimum' AS is_below_minimum,
        count(DISTINCT row(network_id, mailbox_id)) = count(*) AS is_line_per_account
    FROM own
    WHERE is_telling AND (departures IS NOT NULL OR NOT is_base_open)
    GROUP BY set_no
),
other_rules AS (
    -- the other rules applied to the same bases
    SELECT
        own.set_no,
        rules.rule_name AS name,
        2 AS place,
        own.departures,
        own.is_telling,
        own.amount = trial_amount(
            own.amount, try(money_by_rule(readings.rule, chosen.first_rate, own.base_amount)), chosen.is_seen, chosen.rounding,
            chosen.unit, chosen.half
        ) AS is_explained
    FROM own
    INNER JOIN chosen USING (set_no)
    INNER JOIN core_derived_readings AS readings
        ON readings.kind = chosen.kind AND readings.base = chosen.base AND readings.rule <> chosen.rule
    INNER JOIN core_derived_rules AS rules ON rules.reading_no = readings.reading_no
),
other_sums AS (
    SELECT
        own.set_no,
        concat(chosen.rule_name, CASE WHEN chosen.kind = 'minimum' THEN ' from ' ELSE ' of ' END, rules.base_words) AS name,
        1 AS place,
        own.departures,
        own.is_telling,
        trials.departures IS NOT NULL AS is_explained
    FROM own
    INNER JOIN chosen USING (set_no)
    INNER JOIN core_derived_trials AS trials
        USING (set_no, network_id, mailbox_id, reporting_month, account_report, measure_field)
    INNER JOIN core_derived_scores AS scores ON scores.set_no = trials.set_no AND scores.reading_no = trials.reading_no
    INNER JOIN core_derived_readings AS readings ON readings.reading_no = trials.reading_no
    INNER JOIN core_derived_rules AS rules ON rules.reading_no = trials.reading_no
    WHERE readings.rule = chosen.rule AND NOT scores.is_tied
        -- a remote interpretation is never tied with an ordinary one
        AND (readings.plausibility = 'ordinary' OR chosen.plausibility = 'remote')
        -- the Actuals shown rule out the others, whatever the lines bill
        AND chosen.bases_stated - scores.bases_stated < 2
),
counted AS (
    SELECT
        set_no,
        name,
        place,
        count(*) FILTER (WHERE is_telling AND departures IS NOT NULL AND NOT coalesce(is_explained, false)) AS missed,
        count(*) FILTER (WHERE departures IS NOT NULL AND NOT coalesce(is_explained, false)) AS lost,
        count(*) FILTER (WHERE departures IS NULL AND is_explained) AS gained
    FROM (FROM other_rules UNION ALL FROM other_sums)
    GROUP BY set_no, name, place
),
losers AS (
    SELECT
        *,
        -- number of further lines explained by it alone that would make it a tied candidate
        greatest((lost - lost % 2) * 0.5 - gained + 1, 1)::BIGINT AS lines_short
    FROM counted
    WHERE missed > 0
),
named AS (
    SELECT
        losers.set_no,
        string_agg(
            concat(
                losers.name, ' misses ',
                CASE
                    WHEN chosen.telling_lines_explained = 1 THEN 'it'
                    WHEN losers.missed = chosen.telling_lines_explained THEN 'all ' || losers.missed
                    ELSE concat(losers.missed, ' of ', chosen.telling_lines_explained)
                END
            ),
            ', ' ORDER BY losers.missed, losers.place, losers.name
        ) AS words
    FROM (
        FROM losers
        QUALIFY row_number() OVER (PARTITION BY set_no, place ORDER BY missed, name) = 1
    ) AS losers
    INNER JOIN chosen USING (set_no)
    GROUP BY losers.set_no
),
nearest AS (
    SELECT set_no, arg_min(name, (lines_short, place, name)) AS name, min(lines_short) AS lines_short
    FROM losers
    GROUP BY set_no
),
open_readings AS (
    SELECT
        tied.set_no,
        few_text(list(reading_text(readings.reading_id) ORDER BY tied.place)) AS words,
        arg_min(readings.rule, tied.place) IN ('whole_when_below', 'always') AND bool_or(readings.rule = 'true_up') AS is_rate_alone,
        any_value(deciding_account_text(tied.charges, tied.parting_charge, tied.parting_measure))
            FILTER (WHERE tied.place = 1) AS account
    FROM core_derived_tied_candidates AS tied
    INNER JOIN core_derived_readings AS readings USING (reading_no)
    GROUP BY tied.set_no
)
SELECT
    chosen.set_no,
    CASE
        WHEN chosen.is_pinned THEN 'set by hand in pinned_readings.csv'
        WHEN chosen.telling_lines = 0
            THEN concat(
                'no telling line: ', chosen.lines_explained, ' of ', chosen.lines_total,
                CASE WHEN chosen.lines_total = 1 THEN ' line is' ELSE ' lines are' END, ' billed 0, as this interpretation gives'
            )
        ELSE concat(
            chosen.telling_lines_explained, ' of ', chosen.telling_lines,
            CASE
                WHEN NOT places.is_below_minimum THEN ' telling line'
                WHEN places.is_line_per_account THEN ' account'
                ELSE ' line'
            END,
            CASE WHEN chosen.telling_lines = 1 THEN '' ELSE 's' END,
            CASE
                WHEN NOT places.is_below_minimum THEN ''
                WHEN places.is_line_per_account THEN ' below the minimum'
                ELSE ' of accounts below the minimum'
            END,
            CASE WHEN chosen.telling_lines = 1 THEN ' fits ' ELSE ' fit ' END, chosen.rule_name,
            CASE
                WHEN chosen.departures > 0 THEN concat(' (', chosen.departures, ' at another rate than the terms give)')
                ELSE ''
            END,
            CASE
                WHEN chosen.bases_stated > 0 THEN concat(
                    '; Actual is its base on ', chosen.bases_stated,
                    CASE WHEN chosen.bases_stated = 1 THEN ' line' ELSE ' lines' END
                )
                ELSE ''
            END,
            coalesce('; ' || named.words, '')
        )
    END AS reason,
    CASE
        WHEN chosen.is_pinned THEN 'delete the row to let the lines decide'
        WHEN chosen.verdict = 'none_fits' THEN 'ask the vendor how the charge is computed'
        WHEN open_readings.words IS NOT NULL THEN concat(
            'tied: ', open_readings.words,
            CASE
                WHEN open_readings.is_rate_alone
                    THEN '; a minimum billed whole does not tell whether a true-up was meant: ask the vendor, and pin the answer in pinned_readings.csv'
                ELSE concat('; two accounts with ', open_readings.account, ' would rule some of them out')
            END
        )
        WHEN chosen.verdict = 'undecided' THEN concat(
            2 - chosen.telling_lines_explained, CASE WHEN chosen.telling_lines_explained = 1 THEN ' line' ELSE ' lines' END, ' more billed by this interpretation would decide it'
        )
        WHEN nearest.lines_short IS NULL THEN 'only other terms would change it'
        ELSE concat(
            nearest.lines_short, ' more', CASE WHEN nearest.lines_short = 1 THEN ' line' ELSE ' lines' END, ' billed by ', nearest.name,
            ' would make it undecided'
        )
    END AS change_words
FROM chosen
LEFT JOIN places USING (set_no)
LEFT JOIN named USING (set_no)
LEFT JOIN nearest USING (set_no)
LEFT JOIN open_readings USING (set_no)
