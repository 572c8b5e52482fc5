-- One row per candidate interpretation: every combination that reference_readings lists.
-- A row of the reference table is a family: a cell lists alternatives, separated by |, and the family is their product.
-- `place` is the order of the table and of each list; it breaks ties between interpretations that bill alike.
SELECT
    row_number() OVER (
        ORDER BY
            families.place::INTEGER, models.place, bounds.place, allowances.place, block_rules.place, rates.place,
            billed.place, lone.place, zero_blocks.place, zero_quantities.place
    )::INTEGER AS place,
    families.family,
    families.plausibility,
    models.word AS model,
    bounds.word AS tier_bound,
    allowances.word AS allowance_rule,
    block_rules.word AS blocks,
    rates.word AS rate_per,
    billed.word AS billed_in,
    lone.word AS lone_bounds,
    zero_blocks.word AS zero_block,
    zero_quantities.word AS zero_quantity
FROM reference_readings AS families,
    unnest(string_split(families.model, '|')) WITH ORDINALITY AS models (word, place),
    unnest(string_split(families.tier_bound, '|')) WITH ORDINALITY AS bounds (word, place),
    unnest(string_split(families.allowance, '|')) WITH ORDINALITY AS allowances (word, place),
    unnest(string_split(families.blocks, '|')) WITH ORDINALITY AS block_rules (word, place),
    unnest(string_split(families.rate_per, '|')) WITH ORDINALITY AS rates (word, place),
    unnest(string_split(families.billed_in, '|')) WITH ORDINALITY AS billed (word, place),
    unnest(string_split(families.lone_bounds, '|')) WITH ORDINALITY AS lone (word, place),
    unnest(string_split(families.zero_block, '|')) WITH ORDINALITY AS zero_blocks (word, place),
    unnest(string_split(families.zero_quantity, '|')) WITH ORDINALITY AS zero_quantities (word, place)
