-- One row per tier that is tried, as core_tiers has the tiers in force, with the numbers that are set by hand.
-- kept as: scratch
-- `set_no` is simulation_terms.simulated_set_no. A tier of the file belongs to the price list whose ladder it replaces, for its rounding.
WITH tried AS (
    SELECT DISTINCT simulated_set_no, set_no, source, other_set_no
    FROM simulation_terms
    WHERE source <> 'unpriced'
),
changes AS (
    SELECT
        schedule_id,
        any_value(value) FILTER (WHERE field = 'rate') AS rate,
        any_value(value) FILTER (WHERE field = 'block') AS block,
        any_value(value) FILTER (WHERE field = 'allowance') AS allowance,
        any_value(value) FILTER (WHERE field = 'minimum')::BIGINT AS minimum,
        any_value(value) FILTER (WHERE field = 'maximum')::BIGINT AS maximum
    FROM simulation_changes
    GROUP BY schedule_id
),
allowances AS (
    -- an allowance is that of the ladder: its first tier's, whichever of its schedules the change names
    SELECT tiers.set_no, any_value(changes.allowance) AS allowance
    FROM core_set_tiers AS tiers
    INNER JOIN changes USING (schedule_id)
    WHERE changes.allowance IS NOT NULL
    GROUP BY tiers.set_no
)
SELECT
    tried.simulated_set_no AS set_no,
    'simulated-' || tried.simulated_set_no AS schedule_set_id,
    sets.price_list_id,
    sets.price_list_description,
    sets.account_report,
    sets.measure_field,
    sets.specified_network_id,
    sets.model_word AS model,
    NULL::VARCHAR AS contract_model, -- simulation_open_readings has the interpretations that hold
    tiers.tier,
    tiers.schedule_id,
    tiers.level,
    tiers.level_name,
    coalesce(allowances.allowance, tiers.allowance)::DECIMAL(28, 10) AS allowance,
    coalesce(changes.minimum, tiers.minimum)::BIGINT AS minimum,
    coalesce(changes.maximum, tiers.maximum)::BIGINT AS maximum,
    coalesce(changes.block, tiers.block)::DECIMAL(28, 10) AS block,
    coalesce(changes.rate, tiers.rate)::DECIMAL(28, 10) AS rate,
    tiers.flat,
    tiers.limited_months,
    tiers.terms_source,
    sets.last_month AS reporting_month
FROM tried
INNER JOIN core_sets AS sets ON sets.set_no = tried.other_set_no
INNER JOIN core_set_tiers AS tiers ON tiers.set_no = tried.other_set_no
LEFT JOIN changes ON changes.schedule_id = tiers.schedule_id
LEFT JOIN allowances ON allowances.set_no = tiers.set_no
UNION ALL BY NAME
SELECT
    tried.simulated_set_no AS set_no,
    'simulated-' || tried.simulated_set_no AS schedule_set_id,
    sets.price_list_id,
    sets.price_list_description,
    sets.account_report,
    sets.measure_field,
    sets.specified_network_id,
    sets.model_word AS model,
    offers.tier,
    -offers.tier AS schedule_id,
    'Tier' || offers.tier AS level,
    NULL AS level_name,
    coalesce(offers.allowance, 0)::DECIMAL(28, 10) AS allowance,
    offers.minimum,
    coalesce(offers.maximum, 0)::BIGINT AS maximum,
    coalesce(offers.block, 0)::DECIMAL(28, 10) AS block,
    CASE
        WHEN is_fee_model(offers.model) THEN coalesce(offers.flat, offers.rate)
        ELSE coalesce(offers.rate, offers.flat)
    END::DECIMAL(28, 10) AS rate,
    CASE
        WHEN is_fee_model(offers.model) OR offers.rate IS NULL THEN 0
        ELSE coalesce(offers.flat, 0)
    END::DECIMAL(28, 10) AS flat,
    0 AS limited_months,
    'contract' AS terms_source,
    sets.last_month AS reporting_month
FROM tried
INNER JOIN core_sets AS sets ON sets.set_no = tried.set_no
INNER JOIN simulation_ladder AS offers
    ON tried.source = 'ladder' AND offers.account_report = sets.account_report AND offers.measure_field = sets.measure_field
