-- One row per distinct billing terms: the rate ladder that prices them and the tier shown.
-- The set is that of the schedule shown; a heading that shows none, or one that its terms do not have, belongs to the only set
-- of its report and measure, if there is just one. Without a set a line cannot be proved (`set_no` is null). Where two versions
-- of the terms are in force, the set is that of the version whose numbers the heading shows. A schedule of another id is the
-- one of its level if all numbers are the same.
-- `departs_in` says which number of the schedule shown is not that of the terms: rate, block, allowance, bounds; several (of the
-- last three), or schedule, one that the terms do not have. The numbers shown are given where there is one.
WITH contracted AS (
    SELECT DISTINCT terms_contract_id, price_list_id, reporting_month, account_report, measure_field
    FROM core_tiers
    WHERE terms_contract_id > 0
),
headings AS (
    SELECT
        headings.* REPLACE (coalesce(contracted.terms_contract_id, 0) AS terms_contract_id)
    FROM core_line_headings AS headings
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
shown AS (
    SELECT
        headings.heading_no,
        tiers.set_no,
        tiers.tier,
        tiers.allowance,
        tiers.minimum,
        tiers.maximum,
        tiers.block,
        tiers.rate,
        tiers.terms_source,
        tiers.is_firm,
        tiers.witness,
        tiers.schedule_id = headings.schedule_id AS is_same_schedule,
        is_same_number(headings.schedule_rate, tiers.rate) AS has_same_rate,
        is_same_number(headings.schedule_block, tiers.block) AS has_same_block,
        is_same_number(headings.schedule_allowance, tiers.allowance) AS has_same_allowance,
        is_same_bounds(headings.schedule_minimum, headings.schedule_maximum, tiers.minimum, tiers.maximum) AS has_same_bounds,
        tiers.version
    FROM headings
    INNER JOIN core_tiers AS tiers USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
    WHERE tiers.schedule_id = headings.schedule_id
        OR (
            tiers.level = headings.level
            AND tiers.specified_network_id = coalesce(headings.schedule_specified_network_id, 0)
            AND is_same_number(headings.schedule_rate, tiers.rate)
            AND is_same_number(headings.schedule_block, tiers.block)
            AND is_same_number(headings.schedule_allowance, tiers.allowance)
            AND is_same_bounds(headings.schedule_minimum, headings.schedule_maximum, tiers.minimum, tiers.maximum)
        )
    QUALIFY row_number() OVER (
        PARTITION BY headings.heading_no
        ORDER BY
            has_same_rate AND has_same_block AND has_same_allowance AND has_same_bounds DESC,
            is_same_schedule DESC, tiers.version, tiers.tier, tiers.set_no
    ) = 1
),
compared AS (
    SELECT
        headings.*,
        shown.* EXCLUDE (heading_no),
        CASE
            WHEN headings.schedule_id IS NULL THEN NULL
            WHEN shown.set_no IS NULL THEN 'schedule'
            WHEN NOT shown.has_same_rate THEN 'rate'
            WHEN shown.has_same_block AND shown.has_same_allowance AND shown.has_same_bounds THEN NULL
            WHEN shown.has_same_allowance AND shown.has_same_bounds THEN 'block'
            WHEN shown.has_same_block AND shown.has_same_bounds THEN 'allowance'
            WHEN shown.has_same_block AND shown.has_same_allowance THEN 'bounds'
            ELSE 'several'
        END AS departs_in
    FROM headings
    LEFT JOIN shown USING (heading_no)
)
SELECT
    headings.heading_no,
    headings.reporting_month,
    headings.account_report,
    headings.measure_field,
    headings.price_list_id,
    headings.terms_contract_id,
    coalesce(headings.set_no, only_sets.set_no) AS set_no,
    headings.tier AS shown_tier,
    headings.schedule_id,
    headings.departs_in IS NOT NULL AS shows_other_schedule,
    headings.departs_in,
    CASE WHEN headings.departs_in IS NOT NULL THEN headings.schedule_rate END AS shown_rate,
    CASE WHEN headings.departs_in IS NOT NULL THEN headings.schedule_block END AS shown_block,
    CASE WHEN headings.departs_in IS NOT NULL THEN headings.schedule_allowance END AS shown_allowance,
    CASE WHEN headings.departs_in IS NOT NULL THEN headings.schedule_minimum END AS shown_minimum,
    CASE WHEN headings.departs_in IS NOT NULL THEN headings.schedule_maximum END AS shown_maximum,
    headings.rate AS listed_rate,
    headings.block AS listed_block,
    headings.allowance AS listed_allowance,
    headings.minimum AS listed_minimum,
    headings.maximum AS listed_maximum,
    coalesce(headings.terms_source, only_sets.terms_source) AS terms_source,
    coalesce(headings.is_firm, only_sets.is_firm) AS is_firm,
    coalesce(headings.witness, only_sets.witness) AS witness
FROM compared AS headings
LEFT JOIN only_sets USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
