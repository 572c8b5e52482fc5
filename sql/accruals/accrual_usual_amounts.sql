-- One row per key of accrual_usual_use that has a price: what its usual quantity costs by the ladder of the month.
-- kept as: scratch
SELECT
    quantities.network_id,
    quantities.mailbox_id,
    quantities.account_report,
    quantities.measure_field,
    any_value(rated.amount) AS amount
FROM accrual_quantities AS quantities
INNER JOIN accrual_usual_use AS use USING (network_id, mailbox_id, account_report, measure_field)
INNER JOIN accrual_sets AS sets USING (network_id, mailbox_id, account_report, measure_field)
INNER JOIN simulation_terms AS terms ON terms.set_no = sets.set_no
INNER JOIN simulation_rated AS rated
    ON rated.set_no = terms.simulated_set_no AND rated.volume = quantities.volume AND rated.quantity = quantities.quantity AND rated.is_chosen
WHERE quantities.volume = 5 AND use.usual IS NOT NULL AND rated.error IS NULL
GROUP BY quantities.network_id, quantities.mailbox_id, quantities.account_report, quantities.measure_field
