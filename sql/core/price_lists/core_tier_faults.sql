-- One row per rate ladder and place where its tiers leave quantities without a tier, or give them two.
-- The end of a tier and the start of the next are written in one of two ways: the same number (1,000 and 1,000), or the next whole one
-- (1,000 and 1,001). The way that a list mostly uses is its convention; a single other step is then a gap or an overlap of one. Lists
-- without Minimum (the service before 2022) show only tiers that end no higher than the one before, and a ladder known from lines alone may
-- lack tiers. `is_of_contract`: the tier that ends is one of contract_terms.csv, and the next one is the list's.
WITH neighbours AS (
    SELECT
        tiers.set_no,
        tiers.tier,
        tiers.level,
        tiers.terms_source = 'contract' AND lead(tiers.terms_source) OVER ladder <> 'contract' AS is_of_contract,
        tiers.minimum,
        CASE WHEN tiers.maximum > 0 THEN tiers.maximum END AS maximum,
        lead(tiers.tier) OVER ladder AS next_tier,
        lead(tiers.level) OVER ladder AS next_level,
        lead(tiers.minimum) OVER ladder AS next_minimum,
        lead(CASE WHEN tiers.maximum > 0 THEN tiers.maximum END) OVER ladder AS next_maximum,
        sets.is_cut_at_maximum_only,
        bool_and(tiers.terms_source = 'shown') OVER (PARTITION BY tiers.set_no) AS is_from_lines
    FROM core_set_tiers AS tiers
    INNER JOIN core_sets AS sets USING (set_no)
    WHERE sets.tiers > 1
    WINDOW ladder AS (PARTITION BY tiers.set_no ORDER BY tiers.tier)
),
steps AS (
    SELECT
        *,
        next_minimum - maximum AS step,
        count(*) FILTER (WHERE next_minimum = maximum) OVER (PARTITION BY set_no)
        > count(*) FILTER (WHERE next_minimum = maximum + 1) OVER (PARTITION BY set_no) AS is_continuous,
        count(*) FILTER (WHERE next_minimum = maximum) OVER (PARTITION BY set_no)
        < count(*) FILTER (WHERE next_minimum = maximum + 1) OVER (PARTITION BY set_no) AS is_in_whole_units
    FROM neighbours
)
SELECT
    set_no,
    tier,
    'tier_gap' AS fault,
    maximum + CASE WHEN is_continuous THEN 0 ELSE 1 END AS from_quantity,
    next_minimum - CASE WHEN is_continuous THEN 0 ELSE 1 END AS to_quantity,
    concat(
        level, ' ends at ', grouped_text(maximum), ' and ', next_level, ' begins at ', grouped_text(next_minimum), ': ',
        grouped_text(maximum + CASE WHEN is_continuous THEN 0 ELSE 1 END), ' to ',
        grouped_text(next_minimum - CASE WHEN is_continuous THEN 0 ELSE 1 END),
        ' belong to no tier'
    ) AS words,
    is_of_contract
FROM steps
WHERE NOT is_cut_at_maximum_only AND NOT is_from_lines AND (step > 1 OR (step = 1 AND is_continuous))
UNION ALL
SELECT
    set_no, tier, 'tier_gap', 0, minimum - 1,
    concat(level, ', the first, begins at ', grouped_text(minimum), ': what is below belongs to no tier'),
    false
FROM steps
WHERE NOT is_cut_at_maximum_only AND NOT is_from_lines AND tier = 1 AND minimum > 1
UNION ALL
SELECT
    set_no,
    tier,
    'tier_overlap',
    next_minimum,
    maximum,
    CASE
        WHEN maximum IS NULL THEN concat(level, ' has no end but ', next_level, ' begins at ', grouped_text(next_minimum))
        ELSE concat(
            level, ' ends at ', grouped_text(maximum), ' but ', next_level, ' begins at ', grouped_text(next_minimum), ': ',
            CASE
                WHEN step = 0 THEN grouped_text(maximum) || ' belongs'
                ELSE concat(grouped_text(next_minimum), ' to ', grouped_text(maximum), ' belong')
            END, ' to both'
        )
    END,
    is_of_contract
FROM steps
WHERE NOT is_cut_at_maximum_only
    AND next_tier IS NOT NULL
    AND (maximum IS NULL OR step < 0 OR (step = 0 AND is_in_whole_units))
UNION ALL
-- a tier that ends no higher than the one before it has no quantity of its own
SELECT
    set_no,
    tier,
    'tier_overlap',
    coalesce(next_minimum, 0),
    next_maximum,
    CASE
        WHEN maximum IS NULL THEN concat(level, ' has no end but ', next_level, ' follows')
        ELSE concat(level, ' ends at ', maximum, ' and ', next_level, ', which follows, at ', next_maximum, ': ', next_level, ' has no quantity of its own')
    END,
    is_of_contract
FROM steps
WHERE next_tier IS NOT NULL
    AND (
        (is_cut_at_maximum_only AND maximum IS NULL)
        OR (
            next_maximum <= maximum
            AND (is_cut_at_maximum_only OR step > 0 OR (step = 0 AND NOT is_in_whole_units))
        )
    )
