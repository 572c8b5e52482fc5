-- One row per owner, report and measure of contract_terms.csv whose terms bill no line.
-- kept as: view
SELECT DISTINCT terms.terms_contract_id, terms.price_list_id, terms.account_report, terms.measure_field
FROM core_contract_terms AS terms
ANTI JOIN core_line_terms AS line_terms
    ON line_terms.account_report = terms.account_report
    AND line_terms.measure_field = terms.measure_field
    AND CASE
        WHEN terms.terms_contract_id > 0 THEN line_terms.terms_contract_id = terms.terms_contract_id
        ELSE line_terms.price_list_id = terms.price_list_id
    END
