-- One row per rate ladder of a derived charge and candidate interpretation that can differ from those before it.
-- Bases that add up the same parts, of those that the price list bills or that were billed with the line, count once: on a list without
-- credits, charges with and without credits are the same sum. The user's override is always kept.
WITH listed AS (
    SELECT DISTINCT own.set_no, own.kind, charge_part(others.kind, others.measure_field, tiers.level) AS part
    FROM core_sets AS own
    INNER JOIN core_sets AS others
        ON others.price_list_id = own.price_list_id
        AND (others.account_report, others.measure_field) <> (own.account_report, own.measure_field)
    LEFT JOIN core_set_tiers AS tiers ON tiers.set_no = others.set_no AND tiers.tier = 1
    WHERE own.kind IN ('percentage', 'subtotal', 'minimum')
),
billed AS (
    SELECT
        lines.set_no,
        lines.kind,
        unnest([
            CASE WHEN bool_or(sums.usage_amount <> 0) THEN 'usage' END,
            CASE WHEN bool_or(sums.fixed_amount <> 0) THEN 'fixed' END,
            CASE WHEN bool_or(sums.one_time_amount <> 0) THEN 'one_time' END,
            CASE WHEN bool_or(sums.credit_amount <> 0) THEN 'credits' END
        ]) AS part
    FROM core_derived_lines AS lines
    INNER JOIN core_charge_sums AS sums USING (network_id, mailbox_id, reporting_month)
    GROUP BY lines.set_no, lines.kind
),
present AS (
    SELECT set_no, any_value(kind) AS kind, list_distinct(list(part)) AS parts
    FROM (
        FROM listed
        UNION ALL
        FROM billed
    )
    GROUP BY set_no
),
candidates AS (
    SELECT
        present.set_no,
        readings.reading_no,
        readings.words,
        readings.scope,
        readings.period,
        readings.rule,
        CASE
            WHEN len(readings.parts) = 0 THEN [readings.base_word]
            ELSE list_sort(list_intersect(readings.parts, present.parts))
        END AS counted
    FROM present
    INNER JOIN core_derived_readings AS readings USING (kind)
),
kept AS (
    SELECT set_no, reading_no
    FROM candidates
    WHERE len(counted) > 0
    QUALIFY row_number() OVER (PARTITION BY set_no, scope, period, rule, counted ORDER BY reading_no) = 1
)
SELECT candidates.set_no, candidates.reading_no
FROM candidates
LEFT JOIN kept USING (set_no, reading_no)
LEFT JOIN core_overrides AS overrides USING (set_no)
WHERE kept.set_no IS NOT NULL OR coalesce(list_has_all(candidates.words, overrides.words), false)
