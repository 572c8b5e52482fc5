-- One row per rate ladder whose terms are tied (core_shown_schedules) and other ladder of the same schedules that may be in force.
SELECT DISTINCT tiers.set_no, others.set_no AS other_set_no
FROM core_tiers AS tiers
INNER JOIN core_tiers AS others
    USING (terms_contract_id, price_list_id, reporting_month, account_report, measure_field, schedule_id)
WHERE tiers.is_tied AND others.is_tied AND others.set_no <> tiers.set_no
