-- One row per distinct billing terms that show numbers of none of the terms in force, and other rate ladder in force beside theirs.
-- Two terms are in force in the month of a Date inside it, or in which a contract begins or ends (core_schedules): the lines show which
-- applies. Billing terms that show neither may be of either. Ladders that are tied are compared on every line (core_tied_sets).
SELECT DISTINCT
    line_terms.terms_no,
    line_terms.set_no,
    others.set_no AS other_set_no
FROM core_terms_sets AS line_terms
INNER JOIN core_tiers AS others USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
ANTI JOIN core_tied_sets AS tied ON tied.set_no = line_terms.set_no
WHERE line_terms.departs_in IS NOT NULL
    AND others.set_no <> line_terms.set_no
    AND (others.schedule_id = line_terms.schedule_id OR (line_terms.departs_in = 'schedule' AND others.version > 1))
