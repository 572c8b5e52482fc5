-- One row per case and tier that takes part in its price: the quantity in the tier, the part of it that is billed, and the amount.
-- kept as: view
-- Which tiers take part, by model (`reached`: the quantity is above the tier's lower bound, or on it where that bound
-- is the excluded upper bound of the tier before):
--   unit          the first, for everything        volume        the one that holds the quantity, for everything
--   graduated     every tier reached, its slice    stairstep     the one that holds the quantity, its flat alone
--   stacked_flat  every tier reached, its flat alone
-- `flat` is due for every tier that takes part: on an excluded bound also for the next tier, whose slice is empty. The free
-- tier (0) precedes the first and its prices are 0: under volume and stairstep, a quantity past it is priced whole by the
-- tier that holds it; `unit` prices by the first tier what exceeds the free tier.
-- Quantity 0 (after allowance and blocks) reaches no tier; with zero_pays_flat it pays the flat of the first, which is 0 if
-- there is a free tier, so that a larger quantity never costs less.
-- An allowance after_blocks with block_scope tier is taken off the units counted, from the first slice up; flats stay.
-- amount = flat + units billed x price of one; `remainder` is the rest beyond its 20 decimals, in parts of the 20th decimal
-- over `common_block`. Either is null if it does not fit (18 whole digits).
-- `quantity` is the part of the quantity in the tier, `billed_quantity` the part of it that is billed: in whole blocks if they are counted
-- per tier. The amounts add up to core_rated.amount_exact, up to the rest of a part of a block beyond 20 decimals; `blocks` has at most
-- 10 decimals for the same reason. A case with an error, or of no cost, has no slice; the slices of a case whose amounts are too large
-- (core_rated.error) are undefined.
-- `slice` numbers the tiers that take part, from 1, in their order; the free tier, if any, is the first.
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
