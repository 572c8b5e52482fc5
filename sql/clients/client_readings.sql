-- One row per model and reading of your own ladders: how they are rated, as the rating takes it.
-- kept as: scratch
-- `words` are those of a pinned reading, joined by dots or spaces; what they leave out has the default of `quote --batch`.
WITH models AS (
    SELECT ladder, account_report, measure_field, max(model) AS model
    FROM client_tiers
    GROUP BY ALL
),
used AS (
    SELECT DISTINCT
        coalesce(models.model, '') AS model,
        coalesce(prices.reading, '') AS words
    FROM reference_client_prices AS prices
    INNER JOIN models ON models.ladder = ladder_stem(prices.value)
    WHERE prices.rule = 'ladder'
),
split AS (
    SELECT
        model,
        words,
        list_filter(string_split_regex(words, '[. ]+'), lambda word: word <> '') AS parts
    FROM used
)
SELECT
    concat(model, '|', words) AS reading_id,
    CASE
        WHEN model <> '' THEN model
        ELSE coalesce(
            list_filter(parts, lambda word: word IN ('volume', 'graduated', 'stairstep', 'stacked_flat'))[1], 'unit'
        )
    END AS model,
    CASE WHEN list_has_any(parts, ['exclusive', 'max_exclusive', 'min_exclusive']) THEN 'exclusive' ELSE 'inclusive' END AS upper_bound,
    coalesce(
        list_filter(
            list_transform(parts, lambda word: replace(word, '_by_tier', '')),
            lambda word: word IN ('up', 'down', 'nearest', 'none')
        )[1],
        'up'
    ) AS blocks,
    CASE
        WHEN len(list_filter(parts, lambda word: ends_with(word, '_by_tier'))) > 0 OR list_contains(parts, 'tier') THEN 'tier'
        ELSE 'quantity'
    END AS block_scope,
    -- `unit` is a model too: beside another model, or as a second word, it is what Rate is per
    CASE
        WHEN list_contains(parts, 'block') THEN 'block'
        WHEN len(list_filter(parts, lambda word: word = 'unit'))
            > CASE
                WHEN model IN ('', 'unit') AND NOT list_has_any(parts, ['volume', 'graduated', 'stairstep', 'stacked_flat']) THEN 1
                ELSE 0
            END THEN 'unit'
        ELSE 'block'
    END AS rate_per,
    coalesce(
        list_filter(parts, lambda word: word IN ('before_blocks', 'after_blocks', 'free_tier'))[1], 'before_blocks'
    ) AS allowance_rule,
    list_contains(parts, 'pays_flat') AS zero_pays_flat,
    coalesce(
        list_filter(
            list_transform(parts, lambda word: regexp_replace(word, '[0-9]+$', '')), lambda word: word IN ('half_up', 'half_even')
        )[1],
        'none'
    ) AS rounding,
    coalesce(try_cast(regexp_extract(words, 'half_(?:up|even)([0-9]+)', 1) AS INTEGER), 2) AS scale
FROM split
