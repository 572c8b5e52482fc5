-- One row per line that shows other terms than its sources give, per price list whose terms changed between two responses, and per
-- price list whose terms are known only from lines that show several terms, none of them on most lines.
-- title: Terms differ
-- A line has a row for a number that no more specific check covers, or for one that does not change the amount. A change is a response
-- of the following month with other terms than the ones in force for the month (core_stated_readings, core_schedules), although the
-- list's Date gives no day between the two responses, or was moved back to before the previous one. It is doubtful because no evidence
-- shows which terms were in force. The same holds for tied terms (core_shown_schedules): no line has a finding, and the explanation has
-- the lowest and the highest cost of the lines over the candidate terms.
WITH held AS (
    -- schedules in force for the month, from the response before it
    SELECT
        stated.price_list_id,
        stated.reporting_month,
        stated.account_report,
        stated.measure_field,
        tiers.schedule_id,
        terms_words(tiers.level, tiers.allowance, tiers.minimum, tiers.maximum, tiers.block, tiers.rate) AS words,
        terms_text(tiers.allowance, tiers.minimum, tiers.maximum, tiers.block, tiers.rate) AS terms,
        'the price list read on ' || strftime(stated.read_at, '%Y-%m-%d') AS witness,
        stated.read_at,
        tiers.dated,
        stated.changed_at,
        second.read_at IS NOT NULL AS is_admitted
    FROM core_stated_readings AS stated
    INNER JOIN core_list_readings AS tiers USING (price_list_id, account_report, measure_field, read_at)
    LEFT JOIN core_stated_readings AS second
        ON second.price_list_id = stated.price_list_id
        AND second.reporting_month = stated.reporting_month
        AND second.account_report = stated.account_report
        AND second.measure_field = stated.measure_field
        AND second.version = 2
        AND second.read_at = stated.changed_at
    WHERE stated.version = 1 AND stated.changed_at IS NOT NULL
    UNION ALL
    -- or from the lines of two earlier months
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        tiers.schedule_id,
        terms_words(tiers.level, tiers.allowance, tiers.minimum, tiers.maximum, tiers.block, tiers.rate),
        terms_text(tiers.allowance, tiers.minimum, tiers.maximum, tiers.block, tiers.rate),
        tiers.witness,
        NULL AS read_at,
        NULL AS dated,
        stated.read_at AS changed_at,
        false AS is_admitted
    FROM core_stated_readings AS stated
    INNER JOIN core_tiers AS tiers USING (price_list_id, reporting_month, account_report, measure_field, version)
    WHERE stated.is_first_seen_after AND tiers.terms_source = 'shown' AND tiers.terms_contract_id = 0
),
changed AS (
    SELECT
        held.price_list_id,
        held.reporting_month,
        held.account_report,
        held.measure_field,
        any_value(held.witness) AS witness,
        any_value(held.read_at) AS read_at,
        any_value(held.changed_at) AS changed_at,
        any_value(held.dated) AS former_date,
        any_value(later.dated) AS dated,
        bool_or(held.is_admitted) AS is_admitted,
        string_agg(held.words, ', ' ORDER BY held.words) AS words,
        string_agg(
            terms_words(later.level, later.allowance, later.minimum, later.maximum, later.block, later.rate), ', '
            ORDER BY held.words
        ) FILTER (WHERE later.schedule_id IS NOT NULL) AS later_words
    FROM held
    LEFT JOIN core_list_readings AS later
        ON later.price_list_id = held.price_list_id
        AND later.account_report = held.account_report
        AND later.measure_field = held.measure_field
        AND later.schedule_id = held.schedule_id
        AND later.read_at = held.changed_at
    WHERE held.terms IS DISTINCT FROM terms_text(later.allowance, later.minimum, later.maximum, later.block, later.rate)
    GROUP BY ALL
),
-- lines billed by one of the tied terms
tied_lines AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        count(*) AS lines,
        sum(amount) AS billed_amount,
        sum(expected_least) AS least,
        sum(expected_most) AS most
    FROM core_suspect_lines
    SEMI JOIN core_tied_sets USING (set_no)
    WHERE verdict = 'undecided'
    GROUP BY ALL
),
tied AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        sum(lines) AS lines,
        string_agg(
            concat(
                terms_words(level, allowance, minimum, maximum, block, rate),
                CASE
                    WHEN lines > 0 THEN concat(' on ', lines, CASE WHEN lines = 1 THEN ' line' ELSE ' lines' END)
                    ELSE ' in ' || strftime(shown_month, '%Y-%m')
                END
            ),
            ', ' ORDER BY level_place(level), schedule_id, content_no
        ) AS words
    FROM core_shown_schedules
    SEMI JOIN (
        -- contract terms replace the list's terms on every line
        FROM core_tiers
        SEMI JOIN core_line_terms USING (terms_contract_id, price_list_id, reporting_month, account_report, measure_field)
        WHERE is_tied
    ) AS tiers
        USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
    WHERE is_tied AND NOT is_of_contract
    GROUP BY ALL
)
SELECT
    faults.network_id,
    faults.mailbox_id,
    faults.reporting_month,
    faults.account_report,
    faults.measure_field,
    faults.price_list_id,
    faults.billed_amount,
    faults.expected_amount,
    faults.difference,
    concat(
        CASE
            WHEN faults.difference = 0 THEN 'The line shows '
            ELSE concat('Billed ', money_text(faults.billed_amount), ' with ')
        END,
        concat_ws(
            ', ',
            CASE
                WHEN faults.shown_allowance <> faults.listed_allowance
                    THEN concat('allowance ', grouped_text(faults.shown_allowance), ' instead of ', grouped_text(faults.listed_allowance))
            END,
            CASE
                WHEN faults.shown_block <> faults.listed_block
                    THEN concat('block ', grouped_text(faults.shown_block), ' instead of ', grouped_text(faults.listed_block))
            END,
            CASE
                WHEN faults.shown_minimum <> faults.listed_minimum
                    THEN concat('minimum ', faults.shown_minimum, ' instead of ', faults.listed_minimum)
            END,
            CASE
                WHEN NOT is_same_bounds(NULL, faults.shown_maximum, NULL, faults.listed_maximum)
                    THEN concat('maximum ', faults.shown_maximum, ' instead of ', faults.listed_maximum)
            END
        ),
        ', by ', faults.witness,
        CASE
            WHEN faults.difference IS NULL THEN '. The correct amount is undetermined.'
            WHEN faults.difference = 0 THEN concat('; the amount of ', money_text(faults.billed_amount), ' is correct.')
            WHEN faults.left_open = 'terms' THEN concat(': at least ', too_much_text(faults.difference), '.')
            ELSE concat('. These terms give ', money_text(faults.expected_amount), ': ', too_much_text(faults.difference), '.')
        END,
        CASE WHEN faults.left_open = 'terms' THEN range_text(faults.expected_least, faults.expected_most, faults.left_open) END,
        doubt_text(faults.doubt)
    ) AS explanation,
    faults.doubt IS NOT NULL AS is_doubtful,
    concat_ws(
        '|', 'terms_differ', faults.price_list_id, faults.account_report, faults.measure_field,
        terms_text(faults.shown_allowance, faults.shown_minimum, faults.shown_maximum, faults.shown_block, faults.shown_rate),
        terms_text(faults.listed_allowance, faults.listed_minimum, faults.listed_maximum, faults.listed_block, faults.listed_rate)
    ) AS cause
FROM core_line_faults AS faults
WHERE faults.fault = 'terms_differ'
UNION ALL BY NAME
SELECT
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    concat(
        'Price list ', price_list_id, ', ', account_report, ' ', measure_field, ': ', words, ' by ', witness,
        '; ', coalesce(later_words, 'no such schedule'), ' by the price list read on ', strftime(changed_at, '%Y-%m-%d'),
        CASE
            WHEN dated = former_date THEN concat(', with an unchanged Date of ', strftime(dated, '%Y-%m-%d'))
            WHEN dated <= read_at
                THEN concat(', with a Date of ', strftime(dated, '%Y-%m-%d'), ' that is before the previous response')
            ELSE ''
        END,
        CASE
            WHEN is_admitted THEN '. Either terms are accepted on lines of the month'
            ELSE '. The previous terms apply to the month'
        END,
        '. Ask the vendor when the new terms take effect.'
    ) AS explanation,
    true AS is_doubtful
FROM changed
UNION ALL BY NAME
SELECT
    tied.reporting_month,
    tied.account_report,
    tied.measure_field,
    tied.price_list_id,
    tied_lines.billed_amount,
    concat(
        'The terms of price list ', tied.price_list_id, ', ', tied.account_report, ' ', tied.measure_field,
        ', are known only from its lines, and none are on most of them: ', tied.words, '. ',
        CASE
            WHEN tied_lines.most > tied_lines.least THEN concat(
                tied_lines.lines, ' lines are billed ', money_text(tied_lines.billed_amount), ' in total; the candidate terms give ',
                money_text(tied_lines.least), ' to ', money_text(tied_lines.most), ': ', money_text(tied_lines.most - tied_lines.least),
                ' at stake. '
            )
            ELSE ''
        END,
        'Ask the vendor which terms were in force, or enter yours in contract_terms.csv.'
    ) AS explanation,
    true AS is_doubtful
FROM tied
LEFT JOIN tied_lines USING (price_list_id, reporting_month, account_report, measure_field)
WHERE tied.lines > 0 OR tied_lines.lines > 0
