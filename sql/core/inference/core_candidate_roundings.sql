-- One row per price list and rounding that its lines are screened with.
-- Slices in other units than cents, and coins, are tried only where the amounts of the list, of its fees or of what is counted, can show
-- them: half of them are multiples of the unit, or some have the decimals. A rounding in two steps is tried by core_open_roundings alone.
WITH amounts AS (
    SELECT
        sets.price_list_id,
        sets.kind = 'fee' AS is_fee,
        sum(lines.lines) AS lines,
        coalesce(sum(lines.lines) FILTER (WHERE lines.amount % 1 = 0), 0) AS wholes,
        coalesce(sum(lines.lines) FILTER (WHERE lines.amount % 0.05 = 0), 0) AS coins,
        bool_or(lines.amount % 0.01 <> 0) AS has_fractions
    FROM core_trial_lines AS lines
    INNER JOIN core_sets AS sets USING (set_no)
    GROUP BY sets.price_list_id, is_fee
)
SELECT DISTINCT
    sets.price_list_id,
    roundings.rounding_no,
    roundings.rounding,
    roundings.unit,
    roundings.half
FROM core_sets AS sets
LEFT JOIN amounts USING (price_list_id)
INNER JOIN core_roundings AS roundings
    ON CASE
        WHEN is_of_two_steps(roundings.rounding) THEN false
        WHEN is_of_cash(roundings.rounding, roundings.scale) THEN amounts.coins * 2 >= amounts.lines
        WHEN is_of_slices(roundings.rounding) AND roundings.scale = 0 THEN amounts.wholes * 2 >= amounts.lines
        WHEN is_of_slices(roundings.rounding) AND roundings.scale > 2 THEN amounts.has_fractions
        ELSE true
    END
