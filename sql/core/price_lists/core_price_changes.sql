-- One row per price list, contract with terms of its own, month, report and measure whose terms differ from those of the month before:
-- both, as text.
-- `is_by_contract`: a term that changed is one of contract_terms.csv in one of the months.
-- `terms_contract_id` is 0 for the terms of the list. In months for which contract_terms.csv has no terms of a contract, it has those of
-- the list; a change of the list alone is no row of the contract.
-- Compared are schedules known in both months, and those of one month alone where a source states the whole ladder of the other: a tier
-- that lines have not shown yet is unknown, and no change. A list read later that most lines do not show (core_schedules, `is_firm`) is
-- no evidence of a month's terms, nor are lines that show several terms equally often (`is_tied`). A model that contract_terms.csv states
-- in one of the months alone is no change: lines may have been priced by it before.
WITH contracts AS (
    SELECT DISTINCT terms_contract_id, price_list_id, account_report, measure_field
    FROM core_tiers
    WHERE terms_contract_id > 0
),
in_force AS (
    SELECT *, terms_contract_id > 0 AS is_own
    FROM core_tiers
    UNION ALL
    SELECT listed.* REPLACE (contracts.terms_contract_id AS terms_contract_id), false
    FROM core_tiers AS listed
    INNER JOIN contracts USING (price_list_id, account_report, measure_field)
    ANTI JOIN core_tiers AS own
        ON own.terms_contract_id = contracts.terms_contract_id
        AND own.price_list_id = listed.price_list_id
        AND own.reporting_month = listed.reporting_month
        AND own.account_report = listed.account_report
        AND own.measure_field = listed.measure_field
    WHERE listed.terms_contract_id = 0
),
schedules AS (
    SELECT
        terms_contract_id,
        is_own,
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        specified_network_id,
        level,
        set_no,
        tier,
        concat_ws(
            ' ',
            terms_words(level, allowance, minimum, maximum, block, rate),
            CASE WHEN flat <> 0 THEN 'fee ' || grouped_text(flat) END,
            model,
            'priced as ' || contract_model
        ) AS words,
        concat_ws(
            '|', model, limited_months, terms_text(allowance, minimum, maximum, block, rate), CASE WHEN flat <> 0 THEN plain_text(flat) END
        ) AS content,
        contract_model,
        terms_source = 'contract' AS is_of_contract,
        bool_and(terms_source <> 'shown' AND is_firm) OVER (
            PARTITION BY terms_contract_id, price_list_id, reporting_month, account_report, measure_field
        ) AS is_whole
    FROM in_force
    WHERE version = 1
    QUALIFY is_firm AND NOT is_tied
),
levels AS (
    SELECT
        terms_contract_id,
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        specified_network_id,
        level,
        any_value(is_whole) AS is_whole,
        bool_or(is_of_contract) AS is_of_contract,
        string_agg(DISTINCT content, ';' ORDER BY content) AS content
    FROM schedules
    GROUP BY ALL
),
ladders AS (
    SELECT
        terms_contract_id,
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        any_value(is_own) AS is_own,
        any_value(is_whole) AS is_whole,
        any_value(contract_model) AS contract_model,
        string_agg(words, ', ' ORDER BY specified_network_id, set_no, tier) AS words
    FROM schedules
    GROUP BY ALL
),
pairs AS (
    SELECT
        later.terms_contract_id,
        later.price_list_id,
        later.reporting_month,
        later.account_report,
        later.measure_field,
        earlier.reporting_month AS previous_month,
        later.words,
        earlier.words AS previous_words,
        coalesce(later.contract_model <> earlier.contract_model, false) AS is_priced_otherwise,
        later.is_whole,
        earlier.is_whole AS is_previous_whole
    FROM ladders AS later
    INNER JOIN ladders AS earlier
        ON earlier.terms_contract_id = later.terms_contract_id
        AND earlier.price_list_id = later.price_list_id
        AND earlier.account_report = later.account_report
        AND earlier.measure_field = later.measure_field
        AND earlier.reporting_month = later.reporting_month - INTERVAL 1 MONTH
    WHERE later.terms_contract_id = 0 OR later.is_own OR earlier.is_own
),
compared AS (
    SELECT
        pairs.*,
        levels.content,
        earlier.content AS previous_content,
        levels.is_of_contract OR coalesce(earlier.is_of_contract, false) AS is_of_contract
    FROM pairs
    INNER JOIN levels USING (terms_contract_id, price_list_id, reporting_month, account_report, measure_field)
    LEFT JOIN levels AS earlier
        ON earlier.terms_contract_id = levels.terms_contract_id
        AND earlier.price_list_id = levels.price_list_id
        AND earlier.account_report = levels.account_report
        AND earlier.measure_field = levels.measure_field
        AND earlier.specified_network_id = levels.specified_network_id
        AND earlier.level = levels.level
        AND earlier.reporting_month = pairs.previous_month
    UNION ALL BY NAME
    SELECT pairs.*, NULL AS content, levels.content AS previous_content, levels.is_of_contract
    FROM pairs
    INNER JOIN levels
        ON levels.terms_contract_id = pairs.terms_contract_id
        AND levels.price_list_id = pairs.price_list_id
        AND levels.account_report = pairs.account_report
        AND levels.measure_field = pairs.measure_field
        AND levels.reporting_month = pairs.previous_month
    ANTI JOIN levels AS later
        ON later.terms_contract_id = levels.terms_contract_id
        AND later.price_list_id = levels.price_list_id
        AND later.account_report = levels.account_report
        AND later.measure_field = levels.measure_field
        AND later.specified_network_id = levels.specified_network_id
        AND later.level = levels.level
        AND later.reporting_month = pairs.reporting_month
)
SELECT
    price_list_id,
    terms_contract_id,
    reporting_month,
    account_report,
    measure_field,
    any_value(words) AS words,
    any_value(previous_words) AS previous_words,
    bool_or(is_priced_otherwise OR (is_of_contract AND content IS DISTINCT FROM previous_content)) AS is_by_contract
FROM compared
GROUP BY terms_contract_id, price_list_id, reporting_month, account_report, measure_field
HAVING bool_or(
    is_priced_otherwise
    OR content <> previous_content
    OR (content IS NULL AND is_whole)
    OR (previous_content IS NULL AND is_previous_whole)
)
