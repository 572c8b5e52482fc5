-- One row per price list, month, report and measure for which PricelistInfo states other terms than contract_terms.csv, or none.
-- title: Price list differs from your contract
-- Both amounts are sums over the lines that are billed by other terms. The difference is null because each line has its own finding.
-- billed_amount: sum of the lines that are billed by other terms than the contract's
-- expected_amount: sum of these lines at the contract's terms
-- difference: always null: each line has its own finding with its difference
WITH answers AS (
    SELECT price_list_id, reporting_month, max(read_at) AS read_at
    FROM core_stated_readings
    WHERE version = 1
    GROUP BY ALL
),
papers AS (
    -- lists without any response are not compared
    SELECT price_list_id, reporting_month, account_report, measure_field, terms_contract_id, schedule_id, level, allowance, minimum,
        maximum, block, rate, flat, witness, terms_source
    FROM core_tiers
    SEMI JOIN answers USING (price_list_id, reporting_month)
    WHERE version = 1
    QUALIFY bool_or(terms_source = 'contract') OVER (
        PARTITION BY price_list_id, reporting_month, account_report, measure_field, terms_contract_id
    )
),
ladders AS (
    SELECT price_list_id, reporting_month, account_report, measure_field, terms_contract_id, any_value(witness) AS witness
    FROM papers
    WHERE terms_source = 'contract'
    GROUP BY ALL
),
latest AS (
    SELECT *
    FROM core_list_readings
    QUALIFY rank() OVER (PARTITION BY price_list_id ORDER BY read_at DESC) = 1
),
listed AS (
    SELECT ladders.terms_contract_id, stated.reporting_month, tiers.*
    FROM ladders
    INNER JOIN core_stated_readings AS stated USING (price_list_id, reporting_month, account_report, measure_field)
    INNER JOIN core_list_readings AS tiers USING (price_list_id, account_report, measure_field, read_at)
    WHERE stated.version = 1
),
differing AS (
    SELECT
        coalesce(papers.price_list_id, listed.price_list_id) AS price_list_id,
        coalesce(papers.reporting_month, listed.reporting_month) AS reporting_month,
        coalesce(papers.account_report, listed.account_report) AS account_report,
        coalesce(papers.measure_field, listed.measure_field) AS measure_field,
        coalesce(papers.terms_contract_id, listed.terms_contract_id) AS terms_contract_id,
        any_value(ladders.witness) AS witness,
        coalesce(any_value(listed.read_at), any_value(answers.read_at)) AS read_at,
        string_agg(
            terms_words(papers.level, papers.allowance, papers.minimum, papers.maximum, papers.block, papers.rate)
            || CASE WHEN papers.flat <> 0 THEN ' and a fee of ' || grouped_text(papers.flat) ELSE '' END, ', '
            ORDER BY papers.minimum, papers.schedule_id
        ) FILTER (WHERE papers.rate IS NOT NULL) AS words,
        string_agg(
            terms_words(listed.level, listed.allowance, listed.minimum, listed.maximum, listed.block, listed.rate), ', '
            ORDER BY listed.minimum, listed.schedule_id
        ) FILTER (WHERE listed.rate IS NOT NULL) AS listed_words
    FROM papers
    FULL JOIN listed USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id, schedule_id)
    LEFT JOIN answers
        ON answers.price_list_id = coalesce(papers.price_list_id, listed.price_list_id)
        AND answers.reporting_month = coalesce(papers.reporting_month, listed.reporting_month)
    LEFT JOIN ladders
        ON ladders.price_list_id = answers.price_list_id
        AND ladders.reporting_month = answers.reporting_month
        AND ladders.account_report = coalesce(papers.account_report, listed.account_report)
        AND ladders.measure_field = coalesce(papers.measure_field, listed.measure_field)
        AND ladders.terms_contract_id = coalesce(papers.terms_contract_id, listed.terms_contract_id)
    LEFT JOIN latest
        ON latest.price_list_id = papers.price_list_id
        AND latest.account_report = papers.account_report
        AND latest.measure_field = papers.measure_field
        AND latest.schedule_id = papers.schedule_id
    WHERE ((papers.allowance, effective_block(papers.block), papers.rate)
        IS DISTINCT FROM (listed.allowance, effective_block(listed.block), listed.rate)
        OR NOT is_same_bounds(papers.minimum, papers.maximum, listed.minimum, listed.maximum)
        OR papers.flat <> 0)
        -- a list that has been corrected since needs no correction
        AND (papers.schedule_id IS NULL
            OR (papers.allowance, effective_block(papers.block), papers.rate)
            IS DISTINCT FROM (latest.allowance, effective_block(latest.block), latest.rate)
            OR NOT is_same_bounds(papers.minimum, papers.maximum, latest.minimum, latest.maximum)
            OR papers.flat <> 0)
    GROUP BY ALL
),
contract_sets AS (
    -- rate ladders with a tier of the contract: their other tiers, which the contract leaves to the list, are the contract's terms too
    SELECT DISTINCT price_list_id, reporting_month, account_report, measure_field, terms_contract_id, set_no
    FROM core_tiers
    WHERE terms_source = 'contract'
),
judged AS (
    SELECT
        differing.price_list_id,
        differing.reporting_month,
        differing.account_report,
        differing.measure_field,
        differing.terms_contract_id,
        count(*) AS lines,
        count(*) FILTER (WHERE lines.verdict = 'fits' AND contract_sets.set_no IS NOT NULL) AS lines_by_contract
    FROM differing
    INNER JOIN core_terms_sets AS line_terms USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
    INNER JOIN core_line_verdicts AS lines ON lines.terms_no = line_terms.terms_no
    LEFT JOIN contract_sets
        ON contract_sets.price_list_id = differing.price_list_id
        AND contract_sets.reporting_month = differing.reporting_month
        AND contract_sets.account_report = differing.account_report
        AND contract_sets.measure_field = differing.measure_field
        AND contract_sets.terms_contract_id = differing.terms_contract_id
        AND contract_sets.set_no = lines.set_no
    GROUP BY ALL
),
lines AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        terms_contract_id,
        count(*) AS lines,
        sum(billed_amount) AS billed_amount,
        sum(expected_amount) AS expected_amount
    FROM core_line_faults
    SEMI JOIN contract_sets USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id, set_no)
    WHERE fault IS NOT NULL AND expected_amount IS NOT NULL AND doubt IS DISTINCT FROM 'reading_undecided'
    GROUP BY ALL
)
SELECT
    differing.reporting_month,
    differing.account_report,
    differing.measure_field,
    differing.price_list_id,
    lines.billed_amount,
    lines.expected_amount,
    concat(
        'Price list ', differing.price_list_id, ', ', differing.account_report, ' ', differing.measure_field,
        CASE WHEN differing.terms_contract_id > 0 THEN concat(', contract ', differing.terms_contract_id) ELSE '' END,
        ': read on ', strftime(differing.read_at, '%Y-%m-%d'), ', the list has ', coalesce(differing.listed_words, 'no such tier'),
        '; ', differing.witness, ' has ', coalesce(differing.words, 'no such tier'), '. ',
        CASE
            WHEN lines.lines IS NULL AND judged.lines = 1 AND judged.lines_by_contract = 0
                THEN 'The only line of the month is billed by other terms, or unverified'
            WHEN lines.lines IS NULL AND judged.lines_by_contract < judged.lines THEN concat(
                judged.lines_by_contract, ' of ', judged.lines, ' lines of the month ', CASE WHEN judged.lines_by_contract = 1 THEN 'is' ELSE 'are' END,
                ' verified by the contract''s terms; the others are billed by other terms, or unverified'
            )
            WHEN lines.lines IS NULL THEN 'No line of the month is billed by other terms than the contract''s'
            ELSE concat(
                lines.lines, CASE WHEN lines.lines = 1 THEN ' line' ELSE ' lines' END,
                ' of the month billed ', money_text(lines.billed_amount), ', expected ', money_text(lines.expected_amount),
                CASE
                    WHEN lines.billed_amount = lines.expected_amount THEN ''
                    ELSE concat(': ', too_much_text(lines.billed_amount - lines.expected_amount), ' (see the findings of these lines)')
                END
            )
        END,
        '. Ask the vendor to correct the price list.'
    ) AS explanation,
    -- the same difference in several months is one cause
    concat_ws(
        '|', 'list_differs_from_contract', differing.price_list_id, differing.terms_contract_id, differing.account_report,
        differing.measure_field, coalesce(differing.listed_words, '-'), coalesce(differing.words, '-')
    ) AS cause
FROM differing
LEFT JOIN lines USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
LEFT JOIN judged USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
