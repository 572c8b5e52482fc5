-- One row per ladder_id and tier: its bounds, its prices, and its fault.
-- A tier runs from the end of the previous one (`lower_bound`) to its own maximum, the running upper bound; null is open. minimum is only
-- checked. It must be the previous maximum (100, 100: one continuous ladder) or, after a whole maximum, one more (100,
-- 101: tiers of whole units); a fraction between, 100.5, is beyond 100 and so in the next tier. A lower one is an overlap, a higher one a
-- gap. The first tier begins at 0, or at 1 for whole units. A null minimum states nothing and is not checked. A block of 0 is no block;
-- both are null here. half_block and inverse (1 / block) are cut after 10 decimals.
WITH neighbours AS (
    SELECT
        *,
        row_number() OVER ladder AS place,
        lead(tier) OVER ladder IS NULL AS is_last,
        coalesce(lag(maximum) OVER ladder, 0::DECIMAL(28, 10)) AS lower_bound
    FROM core_rating_tiers
    WINDOW ladder AS (PARTITION BY ladder_id ORDER BY tier)
),

blocks AS (
    -- ladders are many, blocks few, and what is divided here is slow
    SELECT
        block,
        half_of_block(block) AS half_block,
        inverse_of_block(block) AS inverse
    FROM (SELECT DISTINCT block FROM core_rating_tiers WHERE block > 0)
)

SELECT
    ladder_id,
    tier,
    lower_bound,
    maximum AS upper_bound,
    rate,
    coalesce(flat, 0)::DECIMAL(28, 10) AS flat,
    blocks.block,
    blocks.half_block,
    blocks.inverse,
    CASE
        WHEN tier IS DISTINCT FROM place
            THEN 'tier_order: tiers are numbered from 1 without a hole; found ' || coalesce(tier::VARCHAR, 'no number')
        WHEN maximum IS NULL AND NOT is_last
            THEN 'bound_order: tier ' || tier || ' is open (no maximum) but another follows'
        WHEN least(minimum, maximum) < 0
            THEN 'bound_order: tier ' || tier || ' has a negative bound'
        WHEN maximum <= lower_bound
            THEN 'bound_order: tier ' || tier || ' ends at ' || plain_text(maximum) || ', not above '
                || plain_text(lower_bound)
                || CASE WHEN tier = 1 THEN '' ELSE ' where tier ' || (tier - 1) || ' ends' END
        WHEN minimum > maximum
            THEN 'bound_order: tier ' || tier || ' begins at ' || plain_text(minimum) || ' and ends at '
                || plain_text(maximum)
        WHEN minimum < lower_bound
            THEN 'tier_overlap: tier ' || tier || ' begins at ' || plain_text(minimum) || ' but tier ' || (tier - 1)
                || ' ends at ' || plain_text(lower_bound)
        WHEN minimum > lower_bound AND NOT (minimum - lower_bound = 1 AND lower_bound % 1 = 0)
            THEN 'tier_gap: tier ' || tier || ' begins at ' || plain_text(minimum)
                || CASE
                    WHEN tier = 1 THEN ' and nothing prices what is below'
                    ELSE ' but tier ' || (tier - 1) || ' ends at ' || plain_text(lower_bound)
                END
        WHEN rate IS NULL THEN 'no_rate: tier ' || tier || ' has no rate'
        WHEN neighbours.block < 0
            THEN 'negative_block: tier ' || tier || ' has the block ' || plain_text(neighbours.block)
    END AS fault
FROM neighbours
LEFT JOIN blocks ON blocks.block = neighbours.block
