-- One row per distinct billing terms that show one number other than their rate ladder states, changed ladder, and tier of it: departures
-- are tried on the changed ladder. Billing terms that show the same have the same `change_no`.
-- field: rate, block, allowance, minimum or maximum. There are up to two changed ladders: the stated one with that number replaced; and,
-- for a rate or a bound, also with the tiers below as other lines of the month show them, where these all show the same. A replaced bound
-- moves the bound of the next tier with it. A block or an allowance is replaced in every tier that has the stated one. Other terms in
-- force that may price the lines (core_other_terms, `is_open`) are changed ladders too; their field is `terms`.
WITH shown AS (
    SELECT
        sets.terms_no,
        sets.set_no,
        sets.reporting_month,
        sets.shown_tier,
        line_terms.lines,
        line_terms.schedule_rate AS rate,
        line_terms.schedule_block AS block,
        line_terms.schedule_allowance AS allowance,
        coalesce(line_terms.schedule_minimum, 0)::BIGINT AS minimum,
        CASE WHEN tiers.maximum = 0 AND is_open_end(line_terms.schedule_maximum) THEN 0 ELSE line_terms.schedule_maximum END::BIGINT AS maximum,
        tiers.rate AS stated_rate,
        tiers.block AS stated_block,
        tiers.allowance AS stated_allowance,
        coalesce(tiers.minimum, 0) AS stated_minimum,
        coalesce(tiers.maximum, 0) AS stated_maximum
    FROM core_terms_sets AS sets
    INNER JOIN core_line_terms AS line_terms USING (terms_no)
    INNER JOIN core_set_tiers AS tiers ON tiers.set_no = sets.set_no AND tiers.tier = sets.shown_tier
    INNER JOIN core_sets AS kinds ON kinds.set_no = sets.set_no AND kinds.kind NOT IN ('percentage', 'subtotal', 'minimum')
    WHERE line_terms.schedule_id IS NOT NULL
),
compared AS (
    SELECT
        *,
        list_filter([
            CASE WHEN rate IS DISTINCT FROM stated_rate THEN 'rate' END,
            CASE WHEN effective_block(block) IS DISTINCT FROM effective_block(stated_block) THEN 'block' END,
            CASE WHEN allowance IS DISTINCT FROM stated_allowance THEN 'allowance' END,
            CASE WHEN minimum IS DISTINCT FROM stated_minimum THEN 'minimum' END,
            CASE WHEN coalesce(maximum, 0) IS DISTINCT FROM stated_maximum THEN 'maximum' END
        ], lambda field: field IS NOT NULL) AS fields
    FROM shown
),
-- what a month's lines show of a tier, where all show the same
months AS (
    SELECT
        set_no,
        reporting_month,
        shown_tier AS tier,
        any_value(rate) AS rate,
        any_value(minimum) AS minimum,
        any_value(maximum) AS maximum
    FROM compared
    GROUP BY ALL
    HAVING count(DISTINCT row(rate, minimum, maximum)) = 1
),
changed AS (
    SELECT
        compared.terms_no,
        compared.set_no,
        compared.fields[1] AS field,
        ladders.is_shown_below::INTEGER AS ladder_no,
        tiers.tier,
        -- an allowance, a rate or a Maximum that is not the changed number is shown as it is stated
        CASE WHEN tiers.allowance = compared.stated_allowance THEN compared.allowance ELSE tiers.allowance END AS allowance,
        CASE
            WHEN field = 'minimum' AND tiers.tier = compared.shown_tier THEN compared.minimum
            WHEN tiers.tier = compared.shown_tier + 1 AND tiers.minimum > 0 AND compared.maximum > 0
                THEN tiers.minimum + compared.maximum - compared.stated_maximum
            WHEN field IN ('minimum', 'maximum') THEN coalesce(below.minimum, tiers.minimum)
            ELSE tiers.minimum
        END AS minimum,
        CASE
            WHEN field = 'maximum' AND tiers.tier = compared.shown_tier THEN compared.maximum
            WHEN field = 'minimum' AND tiers.tier = compared.shown_tier - 1 AND tiers.maximum > 0 AND compared.stated_minimum > 0
                THEN coalesce(below.maximum, tiers.maximum + compared.minimum - compared.stated_minimum)
            WHEN field IN ('minimum', 'maximum') THEN coalesce(below.maximum, tiers.maximum)
            ELSE tiers.maximum
        END AS maximum,
        CASE
            WHEN field = 'block' AND tiers.block = compared.stated_block THEN compared.block
            ELSE tiers.block
        END AS block,
        CASE
            WHEN tiers.tier = compared.shown_tier THEN compared.rate
            WHEN field = 'rate' THEN coalesce(below.rate, tiers.rate)
            ELSE tiers.rate
        END AS rate,
        tiers.flat
    FROM compared
    INNER JOIN core_set_tiers AS tiers USING (set_no)
    CROSS JOIN (VALUES (false), (true)) AS ladders (is_shown_below)
    LEFT JOIN months AS below
        ON ladders.is_shown_below
        AND below.set_no = compared.set_no
        AND below.reporting_month = compared.reporting_month
        AND below.tier = tiers.tier
        AND below.tier < compared.shown_tier
    WHERE len(compared.fields) = 1
    UNION ALL
    SELECT
        other.terms_no, other.set_no, 'terms', 1 + other.other_set_no, tiers.tier, tiers.allowance, tiers.minimum, tiers.maximum,
        tiers.block, tiers.rate, tiers.flat
    FROM core_other_terms AS other
    INNER JOIN core_sets AS own USING (set_no)
    INNER JOIN core_sets AS others
        ON others.set_no = other.other_set_no
        AND others.tiers = own.tiers
        AND others.contract_model IS NOT DISTINCT FROM own.contract_model
    INNER JOIN core_set_tiers AS tiers ON tiers.set_no = other.other_set_no
    WHERE other.is_open AND own.kind NOT IN ('percentage', 'subtotal', 'minimum')
),
contents AS (
    SELECT
        *,
        string_agg(
            concat_ws('|', field, allowance, coalesce(minimum::VARCHAR, '-'), maximum, block, rate, flat), ';' ORDER BY tier
        ) OVER (PARTITION BY terms_no, ladder_no) AS content
    FROM changed
)
SELECT DISTINCT
    terms_no,
    dense_rank() OVER (ORDER BY set_no, content)::INTEGER AS change_no,
    set_no,
    field,
    tier,
    allowance,
    minimum,
    maximum,
    block,
    rate,
    flat
FROM contents
