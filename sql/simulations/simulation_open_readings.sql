-- One row per rate ladder that is tried and interpretation that may hold for it, with its rounding.
-- kept as: scratch
-- Present terms, and those of a list with lines of its own, are read as their lines decide: by the candidates that are tied, also where a
-- number that was changed makes a difference between them that no line shows. Terms of which no line tells anything are read as the lines
-- that they replace are, part by part (bounds, allowance, blocks, what a rate is for), with the model that the file gives; what these
-- lines leave open stays open. The bounds of a file's ladder limit no quantity, and the Maximum of its only tier belongs to it. The words
-- of --reading go before both.
WITH tied AS (
    SELECT
        chosen.set_no,
        readings.places,
        readings.plausibility,
        readings.reading_no = chosen.reading_no AS is_chosen
    FROM core_chosen_readings AS chosen
    INNER JOIN core_reading_scores AS scores USING (set_no)
    INNER JOIN core_set_readings AS readings ON readings.set_no = scores.set_no AND readings.reading_no = scores.reading_no
    WHERE chosen.verdict <> 'none_fits'
        AND (readings.reading_no = chosen.reading_no OR (scores.is_tied AND NOT chosen.is_pinned))
),
tried AS (
    SELECT DISTINCT
        simulated_set_no AS set_no,
        source,
        set_no AS present_set_no,
        other_set_no,
        source <> 'ladder' AND other_set_no IN (SELECT set_no FROM tied) AS is_shown
    FROM simulation_terms
    WHERE source <> 'unpriced'
),
shown AS (
    SELECT
        tried.set_no,
        readings.reading_no,
        bool_or(tied.is_chosen) AS is_chosen
    FROM tried
    INNER JOIN simulation_set_readings AS readings USING (set_no)
    INNER JOIN tied ON tied.set_no = tried.other_set_no
    WHERE tried.is_shown
        AND readings.plausibility IN ('ordinary', tied.plausibility)
        AND list_has_any(readings.places, tied.places)
    GROUP BY tried.set_no, readings.reading_no
),
habits AS (
    SELECT
        tied.set_no,
        list(DISTINCT candidates.model) AS models,
        list(DISTINCT candidates.tier_bound) AS tier_bounds,
        list(DISTINCT candidates.allowance_rule) AS allowance_rules,
        list(DISTINCT candidates.blocks) AS blocks,
        list(DISTINCT candidates.rate_per) AS rates_per,
        list(DISTINCT candidates.lone_bounds) AS lone_bounds,
        list(DISTINCT candidates.zero_quantity) AS zero_quantities
    FROM (SELECT set_no, unnest(places) AS place FROM tied) AS tied
    INNER JOIN core_readings AS candidates USING (place)
    WHERE candidates.plausibility = 'ordinary'
    GROUP BY tied.set_no
),
models AS (
    SELECT account_report, measure_field, any_value(model) AS model
    FROM simulation_ladder
    GROUP BY account_report, measure_field
),
alike AS (
    SELECT DISTINCT
        tried.set_no,
        readings.reading_no,
        coalesce(
            list_contains(habits.tier_bounds, candidates.tier_bound)
            AND list_contains(habits.allowance_rules, candidates.allowance_rule)
            AND list_contains(habits.blocks, candidates.blocks)
            AND list_contains(habits.rates_per, candidates.rate_per)
            AND (tried.source = 'ladder' OR list_contains(habits.lone_bounds, candidates.lone_bounds))
            AND list_contains(habits.zero_quantities, candidates.zero_quantity)
            AND (models.model IS NOT NULL OR list_contains(habits.models, candidates.model)),
            false
        ) AS is_alike
    FROM tried
    INNER JOIN simulation_sets AS sets USING (set_no)
    INNER JOIN (SELECT * EXCLUDE (places), unnest(places) AS place FROM simulation_set_readings) AS readings ON readings.set_no = tried.set_no
    INNER JOIN core_readings AS candidates USING (place)
    LEFT JOIN habits ON habits.set_no = tried.present_set_no
    LEFT JOIN models
        ON tried.source = 'ladder' AND models.account_report = sets.account_report AND models.measure_field = sets.measure_field
    WHERE NOT tried.is_shown
        AND readings.plausibility = 'ordinary'
        AND candidates.plausibility = 'ordinary'
        AND candidates.model = coalesce(models.model, candidates.model)
        AND (NOT sets.is_bounded_alone OR candidates.tier_bound = 'max_inclusive')
),
open AS (
    SELECT set_no, reading_no, is_chosen FROM shown
    UNION ALL
    SELECT set_no, reading_no, false
    FROM alike
    GROUP BY set_no, reading_no
    -- terms that nothing tells of stay open in full
    HAVING bool_or(is_alike) OR any_value(set_no) NOT IN (SELECT fitting.set_no FROM alike AS fitting WHERE fitting.is_alike)
),
words AS (
    SELECT
        set_no,
        list_filter(string_split(getvariable('reading'), '.'), lambda word: list_contains(list_distinct(flatten(list(words))), word)) AS words
    FROM simulation_set_readings
    GROUP BY set_no
),
asked AS (
    SELECT readings.set_no, readings.reading_no
    FROM words
    INNER JOIN simulation_set_readings AS readings USING (set_no)
    WHERE len(words.words) > 0 AND list_has_all(readings.words, words.words) AND readings.plausibility <> 'departure'
),
asked_open AS (
    SELECT asked.set_no
    FROM asked
    INNER JOIN open USING (set_no, reading_no)
),
kept AS (
    SELECT open.*
    FROM open
    ANTI JOIN asked USING (set_no)
    UNION ALL
    SELECT asked.set_no, asked.reading_no, coalesce(open.is_chosen, false)
    FROM asked
    LEFT JOIN open USING (set_no, reading_no)
    WHERE open.set_no IS NOT NULL
        OR asked.set_no NOT IN (FROM asked_open)
),
roundings AS (
    SELECT
        kept.set_no,
        kept.reading_no,
        arg_min(own.rounding, present.reading_no) AS rounding,
        arg_min(own.scale, present.reading_no) AS scale
    FROM kept
    INNER JOIN tried USING (set_no)
    INNER JOIN simulation_set_readings AS readings ON readings.set_no = kept.set_no AND readings.reading_no = kept.reading_no
    INNER JOIN core_set_readings AS present
        ON present.set_no = coalesce(tried.other_set_no, tried.present_set_no) AND list_has_any(present.places, readings.places)
    INNER JOIN core_reading_roundings AS own ON own.set_no = present.set_no AND own.reading_no = present.reading_no
    GROUP BY kept.set_no, kept.reading_no
)
SELECT
    kept.set_no,
    kept.reading_no,
    row_number() OVER (PARTITION BY kept.set_no ORDER BY kept.is_chosen DESC, kept.reading_no) = 1 AS is_chosen,
    coalesce(roundings.rounding, of_list.rounding, 'half_up') AS rounding,
    coalesce(roundings.scale, of_list.scale, 2) AS scale,
    words.words IS NOT NULL AND len(words.words) > 0 AS is_asked
FROM kept
INNER JOIN simulation_sets AS sets USING (set_no)
LEFT JOIN roundings ON roundings.set_no = kept.set_no AND roundings.reading_no = kept.reading_no
LEFT JOIN core_price_list_roundings AS of_list ON of_list.price_list_id = sets.price_list_id
LEFT JOIN words ON words.set_no = kept.set_no
