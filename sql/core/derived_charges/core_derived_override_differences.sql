-- One row per rate ladder of a derived charge with an override: expected total of its lines less that of the inferred interpretation.
-- Lines with an unknown base are left out.
SELECT chosen.set_no, sum(overridden.expected_amount - led.expected_amount) AS difference
FROM core_derived_chosen AS chosen
INNER JOIN core_derived_scores AS leaders ON leaders.set_no = chosen.set_no AND leaders.place = 1
INNER JOIN core_derived_trials AS overridden ON overridden.set_no = chosen.set_no AND overridden.reading_no = chosen.reading_no
INNER JOIN core_derived_trials AS led
    USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE chosen.is_pinned AND led.reading_no = leaders.reading_no AND NOT overridden.is_base_open AND NOT led.is_base_open
GROUP BY chosen.set_no
