-- One row per derived charge on which its candidate interpretations are screened: at most 60 per rate ladder, lines with an amount first.
-- A line of 0 is weaker evidence. The order of the others is fixed, and mixes months and accounts.
SELECT *
FROM core_derived_lines
QUALIFY row_number() OVER (
    PARTITION BY set_no
    ORDER BY
        amount = 0,
        (network_id::BIGINT * 7919 + mailbox_id::BIGINT * 104729 + date_diff('month', DATE '2000-01-01', reporting_month) * 31) % 1009,
        reporting_month, network_id, mailbox_id, terms_no
) <= 60
