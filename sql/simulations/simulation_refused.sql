-- One row per volume and rate ladder that is tried and ends below quantities of its lines: how many lines, and the largest quantity.
-- kept as: scratch
-- Lines whose terms and quantity are those billed are no reason to refuse: the list itself ends there.
SELECT
    counted.volume,
    sets.price_list_id,
    sets.account_report,
    sets.measure_field,
    count(*) AS lines,
    arg_max(counted.error, counted.quantity) AS error
FROM simulation_counted AS counted
INNER JOIN simulation_sets AS sets ON sets.set_no = counted.simulated_set_no
WHERE counted.error LIKE 'past_last_tier%' AND NOT counted.is_unchanged
GROUP BY counted.volume, sets.price_list_id, sets.account_report, sets.measure_field
