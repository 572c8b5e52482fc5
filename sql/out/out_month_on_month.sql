-- One row per key billed in a month or the one before: the change of its amount, in parts that add up to it exactly.
-- kept as: view
--     new, ended   the key was not billed before, or is no more
--     correction   billed less expected, now less then: what wrong billing adds to the change
--     price        today's quantity by today's schedules less the same by the former
--     volume       the change of the quantity at the former average price
--     mix          the rest: other tiers, allowances and blocks reached with the other quantity; nothing on a schedule alone
-- Lines that cannot be proved count with what was billed. The first month of all has no month before and no rows. No key is
-- new or ended where a fault hides its line, or where a limited run left its account out.
-- reporting_month: first day of the later of the two months
-- previous_amount: amount billed in the month before; 0 where the key was not billed
-- amount: amount billed in the month; 0 where the key is no longer billed
-- change: amount less previous_amount; the six parts add up to it
-- price_part: part of the change from other terms
-- volume_part: part of the change from another quantity, at the former average price
-- mix_part: part of the change from tiers, allowances and blocks that the other quantity reaches
-- new_part: amount of a key that was not billed in the month before
-- ended_part: amount, below 0, of a key that is no longer billed
-- correction_part: billed less expected in the month, less the same of the month before
-- previous_quantity: quantity measured in the month before, in units of the measure
-- quantity: quantity measured in the month, in units of the measure
WITH pairs AS (
    SELECT later.reporting_month, earlier.reporting_month AS previous_month
    FROM core_months AS later
    INNER JOIN core_months AS earlier ON earlier.reporting_month = later.reporting_month - INTERVAL 1 MONTH
),
later AS (
    SELECT core_line_results.*
    FROM core_line_results
    SEMI JOIN pairs USING (reporting_month)
),
earlier_terms AS (
    -- joined by billing terms, a filter on reporting_month reaches the scan of the previous month's lines
    SELECT line_terms.terms_no, pairs.reporting_month
    FROM core_line_terms AS line_terms
    INNER JOIN pairs ON pairs.previous_month = line_terms.reporting_month
),
earlier AS (
    SELECT results.* REPLACE (earlier_terms.reporting_month AS reporting_month)
    FROM core_line_results AS results
    INNER JOIN earlier_terms USING (terms_no)
),
keys AS (
    SELECT
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        reporting_month,
        later.price_list_id,
        later.set_no,
        earlier.price_list_id AS previous_price_list_id,
        earlier.set_no AS previous_set_no,
        later.amount,
        earlier.amount AS previous_amount,
        later.actual AS quantity,
        earlier.actual AS previous_quantity,
        coalesce(later.expected_amount, later.amount) AS expected,
        coalesce(earlier.expected_amount, earlier.amount) AS previous_expected
    FROM later
    FULL JOIN earlier USING (network_id, mailbox_id, account_report, measure_field, reporting_month)
),
compared AS (
    SELECT
        *,
        -- the month in which the key was not billed; null: it was billed in both
        CASE
            WHEN amount IS NULL THEN reporting_month
            WHEN previous_amount IS NULL THEN (reporting_month - INTERVAL 1 MONTH)::DATE
        END AS absent_month
    FROM keys
),
known AS (
    -- without the keys whose absence from a month is not known
    SELECT compared.*
    FROM compared
    ANTI JOIN core_faulted_keys AS faulted
        ON faulted.network_id = compared.network_id
        AND faulted.mailbox_id = compared.mailbox_id
        AND faulted.account_report = compared.account_report
        AND faulted.measure_field = compared.measure_field
        AND faulted.reporting_month = compared.absent_month
    LEFT JOIN core_limited_runs AS limited ON limited.reporting_month = compared.absent_month
    WHERE limited.reporting_month IS NULL
        OR EXISTS (
            FROM core_requested_accounts AS asked
            WHERE asked.network_id = compared.network_id
                AND asked.mailbox_id = compared.mailbox_id
                AND asked.reporting_month = limited.reporting_month
        )
),
repriced AS (
    SELECT
        known.*,
        sets.tiers,
        CASE
            WHEN known.set_no IS NOT DISTINCT FROM known.previous_set_no THEN known.expected
            ELSE coalesce(moved.amount, moved_money.amount, known.expected)
        END AS expected_by_former
    FROM known
    LEFT JOIN core_sets AS sets ON sets.set_no = known.set_no
    LEFT JOIN core_repricing_rated AS moved ON moved.set_no = known.previous_set_no AND moved.actual = known.quantity
    LEFT JOIN core_derived_repriced AS moved_money
        ON moved_money.network_id = known.network_id
        AND moved_money.mailbox_id = known.mailbox_id
        AND moved_money.reporting_month = known.reporting_month
        AND moved_money.account_report = known.account_report
        AND moved_money.measure_field = known.measure_field
),
parts AS (
    SELECT
        *,
        try((expected - expected_by_former)::DECIMAL(28, 10)) AS price_part,
        CASE
            WHEN tiers IS NULL OR tiers = 1 THEN try((expected_by_former - previous_expected)::DECIMAL(28, 10))
            ELSE coalesce(
                try(round(
                    quotient(((quantity - previous_quantity) * previous_expected)::DECIMAL(28, 10), previous_quantity),
                    2
                )::DECIMAL(28, 10)),
                try((expected_by_former - previous_expected)::DECIMAL(28, 10))
            )
        END AS volume_part
    FROM repriced
),
changes AS (
    SELECT
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        reporting_month,
        coalesce(previous_amount, 0) AS previous_amount,
        coalesce(amount, 0) AS amount,
        coalesce(amount - previous_amount, amount, -previous_amount) AS change,
        CASE WHEN absent_month IS NULL THEN price_part ELSE 0 END AS price_part,
        CASE WHEN absent_month IS NULL THEN volume_part ELSE 0 END AS volume_part,
        CASE
            WHEN absent_month IS NULL THEN try((expected_by_former - previous_expected - volume_part)::DECIMAL(28, 10))
            ELSE 0
        END AS mix_part,
        CASE WHEN absent_month IS NULL THEN 0 ELSE coalesce(amount, 0) END::DECIMAL(28, 10) AS new_part,
        CASE WHEN amount IS NULL THEN -previous_amount ELSE 0 END::DECIMAL(28, 10) AS ended_part,
        CASE
            WHEN absent_month IS NULL
                THEN try(((amount - expected) - (previous_amount - previous_expected))::DECIMAL(28, 10))
            ELSE 0
        END AS correction_part,
        coalesce(price_list_id, previous_price_list_id) AS price_list_id,
        coalesce(previous_quantity, 0) AS previous_quantity,
        coalesce(quantity, 0) AS quantity
    FROM parts
)
SELECT
    changes.*,
    accounts.account_name,
    coalesce(former.contract_id, accounts.contract_id) AS contract_id
FROM changes
LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
LEFT JOIN core_former_accounts AS former
    ON former.network_id = changes.network_id
    AND former.mailbox_id = changes.mailbox_id
    AND former.reporting_month = changes.reporting_month
