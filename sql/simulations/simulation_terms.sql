-- One row per rate ladder and month of the lines in scope: the ladder that is tried in its place.
-- kept as: scratch
-- source: present, the ladder itself; ladder, the one of the file for this report and measure; list, the one of the other price list in
-- the month, in the last month before that has the list, or else in the first; unpriced, where that list has none, or several.
-- `other_set_no` is the ladder of the warehouse whose numbers are taken, null for the file's.
WITH used AS (
    SELECT DISTINCT lines.set_no, lines.reporting_month, sets.account_report, sets.measure_field, sets.specified_network_id, sets.price_list_id
    FROM simulation_lines AS lines
    INNER JOIN core_sets AS sets USING (set_no)
    WHERE lines.is_in_scope
),
listed AS (
    SELECT
        used.set_no,
        used.reporting_month,
        tiers.reporting_month AS listed_month,
        count(DISTINCT tiers.set_no) AS sets,
        any_value(tiers.set_no) AS other_set_no,
        max(CASE WHEN tiers.set_no = used.set_no THEN 1 ELSE 0 END) = 1 AS has_own
    FROM used
    INNER JOIN core_tiers AS tiers
        ON tiers.price_list_id = getvariable('price_list')::INTEGER
        AND tiers.account_report = used.account_report
        AND tiers.measure_field = used.measure_field
        AND tiers.specified_network_id IN (0, used.specified_network_id)
        AND tiers.version = 1
        AND tiers.terms_contract_id = 0
    GROUP BY used.set_no, used.reporting_month, tiers.reporting_month
),
nearest AS (
    SELECT *
    FROM listed
    QUALIFY row_number() OVER (
        PARTITION BY set_no, reporting_month
        ORDER BY listed_month > reporting_month, CASE WHEN listed_month > reporting_month THEN listed_month END, listed_month DESC
    ) = 1
),
paired AS (
    SELECT
        used.set_no,
        used.reporting_month,
        CASE
            WHEN getvariable('price_list') IS NULL THEN CASE WHEN offers.account_report IS NULL THEN 'present' ELSE 'ladder' END
            -- the list's own lines keep the ladder that they show, of several too
            WHEN nearest.has_own OR used.price_list_id = getvariable('price_list')::INTEGER THEN 'present'
            WHEN nearest.sets = 1 THEN 'list'
            ELSE 'unpriced'
        END AS source,
        nearest.other_set_no
    FROM used
    LEFT JOIN nearest USING (set_no, reporting_month)
    LEFT JOIN (SELECT DISTINCT account_report, measure_field FROM simulation_ladder) AS offers
        ON offers.account_report = used.account_report AND offers.measure_field = used.measure_field
)
SELECT
    set_no,
    reporting_month,
    source,
    CASE source WHEN 'present' THEN set_no WHEN 'list' THEN other_set_no END AS other_set_no,
    dense_rank() OVER (
        ORDER BY set_no, source, CASE source WHEN 'list' THEN other_set_no END
    )::INTEGER AS simulated_set_no
FROM paired
