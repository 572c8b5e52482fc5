-- One row per line that is rated by itself and volume: the new amount by the chosen interpretation, and the least and most by those that may hold.
-- kept as: scratch
-- No new amount: `error` gives the reason. A line that is out of scope, or billed with its network, keeps its amount.
-- `move_` is what the new terms change in the bases of derived charges: nothing where neither terms nor quantity change, for the bill is known.
WITH priced AS (
    SELECT
        set_no,
        volume,
        quantity,
        any_value(amount) FILTER (WHERE is_chosen) AS amount,
        any_value(tier) FILTER (WHERE is_chosen) AS tier,
        min(amount) AS least_amount,
        max(amount) AS most_amount,
        -- one interpretation without a price leaves the range open
        coalesce(any_value(error) FILTER (WHERE is_chosen), min(error)) AS error
    FROM simulation_rated
    GROUP BY set_no, volume, quantity
),
lines AS (
    SELECT
        lines.*,
        volumes.volume,
        terms.source,
        terms.simulated_set_no,
        lines.is_in_scope AND NOT lines.is_kept AS is_tried
    FROM simulation_lines AS lines
    CROSS JOIN simulation_volumes AS volumes
    LEFT JOIN simulation_terms AS terms USING (set_no, reporting_month)
    WHERE lines.kind NOT IN ('percentage', 'subtotal', 'minimum')
),
rated AS (
    SELECT
        lines.* EXCLUDE (is_kept, is_billed),
        quantities.quantity,
        priced.tier,
        lines.is_billed AND kept.set_no IS NOT NULL AND quantities.quantity = lines.actual AND NOT coalesce(open.is_asked, false) AS is_unchanged,
        CASE WHEN lines.is_tried THEN CASE WHEN priced.error IS NULL THEN priced.amount END ELSE lines.amount END AS new_amount,
        CASE WHEN lines.is_tried THEN CASE WHEN priced.error IS NULL THEN priced.least_amount END ELSE lines.amount END AS least_amount,
        CASE WHEN lines.is_tried THEN CASE WHEN priced.error IS NULL THEN priced.most_amount END ELSE lines.amount END AS most_amount,
        CASE
            WHEN NOT lines.is_tried THEN NULL
            WHEN lines.set_no IS NULL THEN 'no_terms: no schedule prices the line'
            WHEN lines.source = 'unpriced' THEN 'not_priced: the price list has no single ladder for this report and measure'
            WHEN quantities.quantity IS NULL THEN 'too_large: the quantity has more than 18 whole digits'
            WHEN priced.set_no IS NULL THEN 'no_reading: no interpretation of the ladder explains its lines'
            ELSE priced.error
        END AS error
    FROM lines
    LEFT JOIN simulation_line_quantities AS quantities
        USING (network_id, mailbox_id, reporting_month, account_report, measure_field, volume)
    LEFT JOIN priced
        ON priced.set_no = lines.simulated_set_no AND priced.volume = lines.volume AND priced.quantity = quantities.quantity
    LEFT JOIN simulation_kept_sets AS kept ON kept.set_no = lines.simulated_set_no
    LEFT JOIN (SELECT DISTINCT set_no, is_asked FROM simulation_open_readings) AS open ON open.set_no = lines.simulated_set_no
)
SELECT
    *,
    try_cast(CASE WHEN is_tried AND NOT is_unchanged THEN new_amount - reference_amount ELSE 0 END AS DECIMAL(28, 10)) AS new_move,
    try_cast(CASE WHEN is_tried AND NOT is_unchanged THEN least_amount - reference_amount ELSE 0 END AS DECIMAL(28, 10)) AS least_move,
    try_cast(CASE WHEN is_tried AND NOT is_unchanged THEN most_amount - reference_amount ELSE 0 END AS DECIMAL(28, 10)) AS most_move
FROM rated
