-- One row per candidate reading of a measure that is money of other lines: percentages, subtotals, minimums.
SELECT
    row_number() OVER (ORDER BY families.place::INTEGER, bases.place, rules.place)::INTEGER AS reading_no,
    families.kind,
    families.plausibility,
    bases.word AS base,
    rules.word AS rule,
    concat_ws('.', rules.word, 'of_' || bases.word) AS reading_id,
    [rules.word, 'of_' || bases.word] AS words
FROM reference_money_readings AS families,
    unnest(string_split(families.base, '|')) WITH ORDINALITY AS bases (word, place),
    unnest(string_split(families.rule, '|')) WITH ORDINALITY AS rules (word, place)
