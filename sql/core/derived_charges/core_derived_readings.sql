-- One row per candidate interpretation of a derived charge: a percentage, a subtotal or a monthly minimum.
-- `base` is the sum that the charge is computed from: its word, with its scope and period where these are not the account and the
-- month (`counted_lines.per_network.of_month_before`). `has_…` are the parts of the bill that it adds up (reference_money_bases).
-- `words` are the words allowed in an override. A base that several families of reference_money_readings have counts once, by the first.
WITH families AS (
    SELECT
        families.place::INTEGER AS family,
        families.kind,
        families.plausibility,
        bases.place::INTEGER AS base_place,
        bases.base AS base_word,
        bases.parts,
        scopes.scope,
        scopes.place AS scope_place,
        families.period,
        rules.rule,
        rules.place AS rule_place
    FROM reference_money_readings AS families
    INNER JOIN reference_money_bases AS bases
        ON list_contains(string_split(families.base, '|'), bases.base)
        OR (families.base = 'any' AND bases.parts <> ''),
        unnest(string_split(families.scope, '|')) WITH ORDINALITY AS scopes (scope, place),
        unnest(string_split(families.rule, '|')) WITH ORDINALITY AS rules (rule, place)
),
candidates AS (
    SELECT
        *,
        concat(
            base_word,
            CASE WHEN scope <> 'account' THEN '.per_' || scope ELSE '' END,
            CASE WHEN period <> 'month' THEN '.of_' || period ELSE '' END
        ) AS base
    FROM families
    QUALIFY row_number() OVER (PARTITION BY kind, base_word, scope, period, rule ORDER BY family) = 1
)
SELECT
    row_number() OVER (ORDER BY family, scope_place, base_place, rule_place)::INTEGER AS reading_no,
    kind,
    plausibility,
    base,
    base_word,
    scope,
    period,
    coalesce(string_split(nullif(parts, ''), '|'), []) AS parts,
    rule,
    concat_ws('.', rule, 'of_' || base) AS reading_id,
    string_split(concat_ws('.', rule, 'of_' || base), '.') AS words
FROM candidates
