-- One row per distinct billing terms and other rate ladder in force beside theirs that may price their lines.
-- Several terms are in force in the month of a Date inside it, or in which a contract begins or ends (core_schedules): the lines show which
-- applies. Billing terms that show numbers of none of them may be of any. `is_open`: so may those that show numbers which several have,
-- and those that show the list's, for a line billed by a contract may show the list's schedule. Ladders that are tied are compared on every
-- line (core_tied_sets).
WITH contract_sets AS (
    -- with the tiers of the list that follow a contract's
    SELECT DISTINCT set_no
    FROM core_tiers
    WHERE terms_source = 'contract'
),
others AS (
    SELECT DISTINCT
        line_terms.terms_no,
        line_terms.set_no,
        others.set_no AS other_set_no,
        CASE
            WHEN line_terms.departs_in IS NOT NULL THEN line_terms.is_as_listed
            ELSE (other_contracts.set_no IS NOT NULL AND own_contracts.set_no IS NULL)
                OR (
                    is_same_number(own.rate, others.rate)
                    AND is_same_number(effective_block(own.block), effective_block(others.block))
                    AND is_same_number(own.allowance, others.allowance)
                    AND is_same_bounds(own.minimum, own.maximum, others.minimum, others.maximum)
                )
        END AS is_open,
        line_terms.departs_in
    FROM core_terms_sets AS line_terms
    INNER JOIN core_tiers AS others USING (price_list_id, reporting_month, account_report, measure_field, terms_contract_id)
    LEFT JOIN core_set_tiers AS own ON own.set_no = line_terms.set_no AND own.tier = line_terms.shown_tier
    LEFT JOIN contract_sets AS own_contracts ON own_contracts.set_no = line_terms.set_no
    LEFT JOIN contract_sets AS other_contracts ON other_contracts.set_no = others.set_no
    ANTI JOIN core_tied_sets AS tied ON tied.set_no = line_terms.set_no
    WHERE others.set_no <> line_terms.set_no
        AND (
            others.schedule_id = line_terms.schedule_id
            OR (line_terms.departs_in = 'schedule' AND others.version > 1)
            -- a contract may have fewer tiers than the list
            OR (other_contracts.set_no IS NOT NULL AND own_contracts.set_no IS NULL)
        )
)
SELECT terms_no, set_no, other_set_no, bool_or(is_open) AS is_open
FROM others
WHERE departs_in IS NOT NULL OR is_open
GROUP BY ALL
