-- One row per ladder_id: the attributes of the whole ladder that decide which tier applies, and its first fault.
WITH ladders AS (
    SELECT
        ladder_id,
        max(upper_bound) AS highest_bound,
        bool_or(upper_bound IS NULL) AS is_open,
        any_value(block) FILTER (WHERE tier = 1) AS first_block,
        any_value(half_block) FILTER (WHERE tier = 1) AS half_first_block,
        list(DISTINCT block ORDER BY block) FILTER (WHERE block <> 1) AS blocks,
        arg_min(fault, tier) FILTER (WHERE fault IS NOT NULL) AS fault
    FROM core_rating_bounds
    GROUP BY ladder_id
),

block_sets AS (
    -- a multiple of every block of the ladder and of 1, in last decimals; null when it has more than 38 digits
    SELECT
        blocks,
        try(
            list_reduce( -- noqa: LT01
                list_prepend(10000000000::HUGEINT, list_transform(blocks, lambda block: in_last_decimals(block))),
                lambda one, other: lcm(one, other)
            )
        ) AS common_block
    FROM (SELECT DISTINCT blocks FROM ladders)
)

SELECT
    ladders.ladder_id,
    ladders.highest_bound,
    ladders.is_open,
    ladders.first_block,
    ladders.half_first_block,
    CASE WHEN ladders.blocks IS NULL THEN 10000000000::HUGEINT ELSE block_sets.common_block END AS common_block,
    ladders.fault
FROM ladders
LEFT JOIN block_sets ON block_sets.blocks = ladders.blocks
