-- One row per distinct billing terms: the rate ladder that prices them and the tier shown.
-- The ladder is that of the schedule shown. Billing terms that show none, or one that the terms in force do not have, take the only
-- ladder of their report and measure, if there is just one. Without a ladder (`set_no` is null) a line cannot be proved. Where two
-- versions of the terms are in force, the version whose numbers are shown counts. A schedule of another id is the one of its level if
-- all numbers are the same. Where the list has one schedule and the contract divides it into tiers, each line shows that schedule: no tier,
-- nor bounds, are shown.
-- departs_in: the number shown that differs from the terms in force: rate, block, allowance or bounds; several (of the last three);
-- schedule, one that the terms do not have. The shown_ columns have the numbers shown where one differs.
-- is_as_listed: the schedule shown is that of the price list on some day of the month (core_list_readings), and the terms in force are
-- your contract's, which differ: the fault is the list's.
WITH contracted AS (
    SELECT DISTINCT terms_contract_id, price_list_id, reporting_month, account_report, measure_field
    FROM core_tiers
),
line_terms AS (
    SELECT
        line_terms.* REPLACE (coalesce(contracted.terms_contract_id, 0) AS terms_contract_id)
    FROM core_line_terms AS line_terms
    LEFT JOIN contracted USING (terms_contract_id, price_list_id, reporting_month, account_report, measure_field)
),
only_sets AS (
    SELECT
        price_list_id, reporting_month, account_report, measure_field, terms_contract_id,
        any_value(set_no) AS set_no,
        any_value(terms_source) AS terms_source,
        bool_and(is_firm) AS is_firm,
        any_value(witness) AS witness
    FROM core_tiers
    WHERE version = 1
    GROUP BY ALL
    HAVING count(DISTINCT set_no) = 1
),
divided_schedules AS (
    SELECT set_no
    FROM core_tiers
    GROUP BY set_no
    HAVING max(tier) > 1 AND count(DISTINCT schedule_id) FILTER (WHERE schedule_id > 0) = 1
),
shown AS (
    SELECT
        line_terms.terms_no,
        tiers.set_no,
        CASE WHEN divided.set_no IS NULL THEN tiers.tier END AS tier,
        tiers.allowance,
        tiers.minimum,
        tiers.maximum,
        tiers.block,
        tiers.rate,
        tiers.terms_source,
        tiers.is_firm,
        tiers.witness,
        tiers.schedule_id = line_terms.schedule_id AS is_same_schedule,
        is_same_number(line_terms.schedule_rate, tiers.rate) AS has_same_rate,
        is_same_number(effective_block(line_terms.schedule_block), effective_block(tiers.block)) AS has_same_block,
        is_same_number(line_terms.schedule_allowance, tiers.allowance) AS has_same_allowance,
        divided.set_no IS NOT NULL
        OR is_same_bounds(line_terms.schedule_minimum, line_terms.schedule_maximum, tiers.minimum, tiers.maximum) AS has_same_bounds,
        tiers.version
    FROM line_terms
    INNER JOIN core_tiers AS tiers USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
    LEFT JOIN divided_schedules AS divided ON divided.set_no = tiers.set_no AND level_place(line_terms.level) = 0
    WHERE tiers.schedule_id = line_terms.schedule_id
        OR (
            tiers.level = line_terms.level
            AND tiers.specified_network_id = coalesce(line_terms.schedule_specified_network_id, 0)
            AND is_same_number(line_terms.schedule_rate, tiers.rate)
            AND is_same_number(effective_block(line_terms.schedule_block), effective_block(tiers.block))
            AND is_same_number(line_terms.schedule_allowance, tiers.allowance)
            AND is_same_bounds(line_terms.schedule_minimum, line_terms.schedule_maximum, tiers.minimum, tiers.maximum)
        )
    QUALIFY row_number() OVER (
        PARTITION BY line_terms.terms_no
        ORDER BY
            has_same_rate AND has_same_block AND has_same_allowance AND has_same_bounds DESC,
            is_same_schedule DESC, tiers.version, tiers.tier, tiers.set_no
    ) = 1
),
as_listed AS (
    SELECT DISTINCT line_terms.terms_no
    FROM line_terms
    INNER JOIN core_stated_readings USING (price_list_id, reporting_month, account_report, measure_field)
    INNER JOIN core_list_readings AS listed USING (price_list_id, account_report, measure_field, read_at, schedule_id)
    SEMI JOIN (FROM core_tiers WHERE terms_source = 'contract') AS contract
        USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
    WHERE is_same_number(line_terms.schedule_rate, listed.rate)
        AND is_same_number(effective_block(line_terms.schedule_block), effective_block(listed.block))
        AND is_same_number(line_terms.schedule_allowance, listed.allowance)
        AND is_same_bounds(line_terms.schedule_minimum, line_terms.schedule_maximum, listed.minimum, listed.maximum)
),
compared AS (
    SELECT
        line_terms.*,
        shown.* EXCLUDE (terms_no),
        CASE
            WHEN line_terms.schedule_id IS NULL THEN NULL
            WHEN shown.set_no IS NULL THEN 'schedule'
            WHEN NOT shown.has_same_rate THEN 'rate'
            WHEN shown.has_same_block AND shown.has_same_allowance AND shown.has_same_bounds THEN NULL
            WHEN shown.has_same_allowance AND shown.has_same_bounds THEN 'block'
            WHEN shown.has_same_block AND shown.has_same_bounds THEN 'allowance'
            WHEN shown.has_same_block AND shown.has_same_allowance THEN 'bounds'
            ELSE 'several'
        END AS departs_in
    FROM line_terms
    LEFT JOIN shown USING (terms_no)
)
SELECT
    line_terms.terms_no,
    line_terms.reporting_month,
    line_terms.account_report,
    line_terms.measure_field,
    line_terms.price_list_id,
    line_terms.terms_contract_id,
    coalesce(line_terms.set_no, only_sets.set_no) AS set_no,
    line_terms.tier AS shown_tier,
    line_terms.schedule_id,
    line_terms.departs_in IS NOT NULL AS shows_other_schedule,
    line_terms.departs_in,
    line_terms.departs_in IS NOT NULL AND as_listed.terms_no IS NOT NULL AS is_as_listed,
    CASE WHEN line_terms.departs_in IS NOT NULL THEN line_terms.schedule_rate END AS shown_rate,
    CASE WHEN line_terms.departs_in IS NOT NULL THEN line_terms.schedule_block END AS shown_block,
    CASE WHEN line_terms.departs_in IS NOT NULL THEN line_terms.schedule_allowance END AS shown_allowance,
    CASE WHEN line_terms.departs_in IS NOT NULL THEN line_terms.schedule_minimum END AS shown_minimum,
    CASE WHEN line_terms.departs_in IS NOT NULL THEN line_terms.schedule_maximum END AS shown_maximum,
    line_terms.rate AS listed_rate,
    line_terms.block AS listed_block,
    line_terms.allowance AS listed_allowance,
    line_terms.minimum AS listed_minimum,
    line_terms.maximum AS listed_maximum,
    coalesce(line_terms.terms_source, only_sets.terms_source) AS terms_source,
    coalesce(line_terms.is_firm, only_sets.is_firm) AS is_firm,
    coalesce(line_terms.witness, only_sets.witness) AS witness
FROM compared AS line_terms
LEFT JOIN as_listed USING (terms_no)
LEFT JOIN only_sets USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
