-- One row per price list and rounding that its lines are screened with: all of them.
SELECT DISTINCT
    sets.price_list_id,
    roundings.rounding_no,
    roundings.rounding,
    roundings.unit,
    roundings.half
FROM core_sets AS sets
CROSS JOIN core_roundings AS roundings
