-- One row per derived charge on which its candidate interpretations are screened: at most 60 with an amount and 60 of 0 per rate ladder.
-- Their order is fixed, and mixes months and accounts.
SELECT *
FROM core_derived_lines
QUALIFY row_number() OVER (
    PARTITION BY set_no, amount = 0
    ORDER BY
        (network_id::BIGINT * 7919 + mailbox_id::BIGINT * 104729 + date_diff('month', DATE '2000-01-01', reporting_month) * 31) % 1009,
        reporting_month, network_id, mailbox_id, terms_no
) <= 60
