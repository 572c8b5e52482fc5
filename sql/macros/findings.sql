-- Identity, cause and wording of findings.

-- The check and the key of a finding as one text. reading_undecided is the same finding in every month. A finding without a whole key is
-- identified by its price list and invoice too.
CREATE OR REPLACE MACRO finding_identity(
    check_name, network_id, mailbox_id, reporting_month, account_report, measure_field, price_list_id, invoice_number
) AS concat_ws(
    '|',
    check_name,
    coalesce(network_id::VARCHAR, ''),
    coalesce(mailbox_id::VARCHAR, ''),
    CASE WHEN check_name = 'reading_undecided' THEN '' ELSE coalesce(reporting_month::VARCHAR, '') END,
    coalesce(account_report, ''),
    coalesce(measure_field, ''),
    CASE
        WHEN network_id IS NULL OR mailbox_id IS NULL OR account_report IS NULL OR measure_field IS NULL
            THEN concat_ws('|', coalesce(price_list_id::VARCHAR, ''), coalesce(invoice_number, ''))
        ELSE ''
    END
);

-- The cause of findings in which one number replaces another: the check, the price list, report and measure, and the two numbers
-- (null: the number was left out). Findings of any account and month with the same five values have one cause.
CREATE OR REPLACE MACRO terms_cause(check_name, price_list_id, account_report, measure_field, billed_number, due_number) AS
    concat_ws(
        '|', check_name, price_list_id, account_report, measure_field, coalesce(plain_text(billed_number), '-'),
        coalesce(plain_text(due_number), '-')
    );

-- The cause of a line's finding where less than half of the lines follow from the terms: the one reading_undecided.
CREATE OR REPLACE MACRO undecided_cause(price_list_id, account_report, measure_field) AS
    finding_identity('reading_undecided', NULL, NULL, NULL, account_report, measure_field, price_list_id, NULL);

-- Suffix of the explanation of a doubtful finding (core_line_faults.doubt).
CREATE OR REPLACE MACRO doubt_text(doubt) AS
    CASE doubt
        WHEN 'terms_read_later' THEN ' That list was read after the month: ask the vendor which terms were in force.'
        WHEN 'number_unshown' THEN ' No line of the list shows whether the allowance is taken off or is a free tier: ask the vendor.'
        WHEN 'few_lines_fit' THEN ' Less than half of the lines of that measure follow from the terms: ask the vendor how they apply.'
        WHEN 'applied_nowhere' THEN ' No line of any list shows this number applied: ask the vendor whether it applies.'
        ELSE ''
    END;

-- Suffix of an explanation that does not name the source of the terms.
CREATE OR REPLACE MACRO witness_text(witness) AS
    coalesce(' Terms from ' || witness || '.', '');

-- The overcharge of a finding, at least 0: its difference; the amount billed where the whole charge is in doubt and has no expected amount.
CREATE OR REPLACE MACRO overcharge(check_name, billed_amount, difference) AS
    CASE
        WHEN difference IS NOT NULL THEN greatest(difference, 0)
        WHEN check_name IN ('missing_line', 'identity_mismatch', 'invoice_only_charge', 'invoice_duplicate')
            THEN greatest(coalesce(billed_amount, 0), 0)
        ELSE 0
    END;
