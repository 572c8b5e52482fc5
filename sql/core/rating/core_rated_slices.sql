-- One row per case_id and tier that takes part in its price; none for a case that has an error or costs nothing.
-- kept as: view
-- per: cell, local
-- The free tier of an allowance is tier 0, at rate 0. The amounts add up to core_rated.amount_exact, save for what 20
-- decimals cannot hold of a part of a block; `blocks` has at most 10 decimals for the same reason. `quantity` is the
-- part of the quantity that lies in the tier, `billed_quantity` what of it is billed: in whole blocks where they are
-- counted per tier. amount = blocks x rate + flat where the rate is per block, billed_quantity x rate + flat where it
-- is per unit.
SELECT
    slices.case_id,
    slices.tier,
    slices.quantity,
    slices.blocks,
    slices.rate,
    slices.flat,
    slices.amount,
    slices.lower_bound,
    slices.upper_bound,
    slices.block,
    slices.units AS billed_quantity,
    slices.slice
FROM core_rating_slices AS slices
INNER JOIN core_rated AS rated ON rated.case_id = slices.case_id AND rated.error IS NULL
