-- One row per case and tier that takes part in its price: what lies in the tier, what of it is billed, for how much.
-- kept as: view
-- per: cell, local
-- Which tiers take part, by model (`reached`: the quantity is above the tier's lower bound, or on it where that bound
-- is the excluded upper bound of the tier before):
--   unit          the first, for everything        volume        the one that holds the quantity, for everything
--   graduated     every tier reached, its slice    stairstep     the one that holds the quantity, its flat alone
--   stacked_flat  every tier reached, its flat alone
-- `flat` is due for every tier that takes part, so on an excluded bound the next tier's too, though its slice is
-- empty. The free tier (0) is a tier in front, with the prices nought: under volume and stairstep, a quantity past it
-- is priced whole by the tier that holds it; `unit` prices by the first tier whatever the free tier does not hold.
-- Quantity 0 (after allowance and blocks) reaches no tier; with zero_pays_flat it pays the flat of the first, which is
-- nought where a free tier stands in front: more may never cost less.
-- An allowance after_blocks with block_scope tier takes from the units counted, the first slices' first, and leaves
-- flats.
-- amount = flat + units billed x what one costs; `remainder` is what its 20 decimals could not hold, in parts
-- of the 20th decimal over `common_block`. Either is null when it does not fit (18 whole digits).
-- `quantity` is the part of the quantity that lies in the tier, `billed_quantity` what of it is billed: in whole blocks where they are
-- counted per tier. The amounts add up to core_rated.amount_exact, save for what 20 decimals cannot hold of a part of a block; `blocks`
-- has at most 10 decimals for the same reason. A case that has an error or costs nothing has no slice; of one whose amounts are too
-- large (core_rated.error) the slices mean nothing.
-- `slice` numbers the tiers that take part, from 1: the tiers reached are the first ones, behind the free tier if any.
WITH cut AS (
    SELECT
        quantities.case_id,
        CASE
            WHEN quantities.standing <> 'priced' OR quantities.is_whole THEN 1
            WHEN quantities.free_quantity > 0 THEN steps.tier + 1
            ELSE steps.tier
        END::INTEGER AS slice,
        quantities.rule_no,
        steps.* EXCLUDE (ladder_id, kind),
        quantities.free_quantity,
        quantities.standing = 'priced' AND (quantities.is_allowance_in_slices OR steps.is_summed) AS is_to_sum,
        CASE WHEN quantities.is_allowance_in_slices THEN quantities.allowance ELSE 0 END::DECIMAL(28, 10) AS allowance,
        slice_of_tier(
            quantities.standing, quantities.is_whole, quantities.rated_quantity, quantities.ladder_quantity,
            steps.slice_start, steps.upper_bound
        ) AS quantity
    FROM core_rating_quantities AS quantities
    INNER JOIN core_rating_steps AS steps
        ON steps.ladder_id = quantities.ladder_id
        AND steps.kind = quantities.kind
        AND CASE
            WHEN quantities.standing = 'priced'
                THEN is_tier_reached(quantities.ladder_quantity, steps.lower_bound, quantities.is_inclusive)
                AND (
                    NOT quantities.is_whole
                    OR is_tier_kept(quantities.ladder_quantity, steps.upper_bound, quantities.is_inclusive)
                )
            ELSE quantities.standing = 'zero' AND quantities.zero_pays_flat AND steps.tier = 1
        END
),

billed AS (
    SELECT
        *,
        less_allowance(
            units_counted(quantity, tier_block, lift), greatest(allowance - units_before, 0)
        )::DECIMAL(28, 10) AS units
    FROM cut
)

SELECT
    case_id,
    tier,
    quantity,
    units AS billed_quantity,
    blocks_of_units(units, blocks_per_unit, block) AS blocks,
    rate,
    flat,
    try((product_of_units(units, unit_price, price_block, rate) + flat)::DECIMAL(38, 20)) AS amount,
    remainder_of_units(units, unit_price, price_block, rate, common_block) AS remainder,
    common_block,
    rule_no,
    block,
    try_cast(lower_bound + free_quantity AS DECIMAL(28, 10)) AS lower_bound,
    try_cast(upper_bound + free_quantity AS DECIMAL(28, 10)) AS upper_bound,
    is_to_sum,
    slice
FROM billed
UNION ALL
SELECT
    case_id,
    0,
    least(rated_quantity, free_quantity),
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    rule_no,
    NULL,
    0,
    free_quantity,
    false,
    1
FROM core_rating_quantities
WHERE free_quantity > 0 AND (standing = 'free' OR (standing = 'priced' AND NOT is_whole))
