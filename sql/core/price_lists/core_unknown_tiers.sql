-- One row per rate ladder known from lines alone that lacks a tier: the quantity above which a price may depend on it.
-- A tier is lacking if the first one does not begin at 0 or is not the first of its family, if two do not meet, and after a last one with
-- an end. Quantities above are provable only under an interpretation that prices them. `is_lone`: only one tier is known, which does not
-- show how the ladder prices the others.
WITH neighbours AS (
    SELECT
        set_no,
        tier,
        minimum,
        maximum,
        level_place(level) AS place,
        lag(maximum) OVER ladder AS former_maximum,
        lag(level_place(level)) OVER ladder AS former_place,
        lead(tier) OVER ladder IS NULL AS is_last,
        count(*) OVER (PARTITION BY set_no) = 1 AS is_lone,
        bool_and(terms_source = 'shown') OVER (PARTITION BY set_no) AS is_from_lines
    FROM core_set_tiers
    WINDOW ladder AS (PARTITION BY set_no ORDER BY tier)
),
lacking AS (
    SELECT set_no, is_lone, 0 AS from_quantity
    FROM neighbours
    WHERE is_from_lines AND tier = 1 AND place > 0 AND (place > 1 OR minimum > 1)
    UNION ALL
    SELECT set_no, is_lone, former_maximum
    FROM neighbours
    WHERE is_from_lines AND tier > 1 AND (minimum > former_maximum + 1 OR place > former_place + 1)
    UNION ALL
    SELECT set_no, is_lone, maximum
    FROM neighbours
    WHERE is_from_lines AND is_last AND place > 0 AND maximum > 0
)
SELECT set_no, min(from_quantity)::BIGINT AS from_quantity, any_value(is_lone) AS is_lone
FROM lacking
GROUP BY set_no
