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
results AS (
    SELECT
        network_id, mailbox_id, reporting_month, account_report, measure_field, price_list_id, set_no, actual, amount,
        coalesce(expected_amount, amount) AS expected_amount
    FROM core_line_results
),
later AS (
    SELECT results.*
    FROM results
    INNER JOIN pairs USING (reporting_month)
),
earlier AS (
    SELECT results.* REPLACE (pairs.reporting_month AS reporting_month)
    FROM results
    INNER JOIN pairs ON pairs.previous_month = results.reporting_month
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
        later.expected_amount AS expected,
        earlier.expected_amount AS previous_expected
    FROM later
    FULL JOIN earlier USING (network_id, mailbox_id, account_report, measure_field, reporting_month)
),
single AS (
    -- keys of one of the two months alone, which the other month can tell
    SELECT keys.*
    FROM keys
    INNER JOIN pairs USING (reporting_month)
    ANTI JOIN core_faulted_keys AS faulted
        ON faulted.network_id = keys.network_id
        AND faulted.mailbox_id = keys.mailbox_id
        AND faulted.account_report = keys.account_report
        AND faulted.measure_field = keys.measure_field
        AND faulted.reporting_month = CASE WHEN keys.amount IS NULL THEN pairs.reporting_month ELSE pairs.previous_month END
    LEFT JOIN core_limited_runs AS limited
        ON limited.reporting_month = CASE WHEN keys.amount IS NULL THEN pairs.reporting_month ELSE pairs.previous_month END
    WHERE (keys.amount IS NULL OR keys.previous_amount IS NULL)
        AND (
            limited.reporting_month IS NULL
            OR EXISTS (
                FROM core_requested_accounts AS asked
                WHERE asked.network_id = keys.network_id
                    AND asked.mailbox_id = keys.mailbox_id
                    AND asked.reporting_month = limited.reporting_month
            )
        )
),
kept AS (
    SELECT
        keys.*,
        sets.tiers,
        try((keys.amount - keys.expected) - (keys.previous_amount - keys.previous_expected)) AS correction_part,
        CASE
            WHEN keys.set_no IS NOT DISTINCT FROM keys.previous_set_no THEN keys.expected
            ELSE coalesce(moved.amount, moved_money.amount, keys.expected)
        END AS expected_by_former
    FROM keys
    LEFT JOIN core_sets AS sets ON sets.set_no = keys.set_no
    LEFT JOIN core_repricing_rated AS moved ON moved.set_no = keys.previous_set_no AND moved.actual = keys.quantity
    LEFT JOIN core_derived_repriced AS moved_money
        ON moved_money.network_id = keys.network_id
        AND moved_money.mailbox_id = keys.mailbox_id
        AND moved_money.reporting_month = keys.reporting_month
        AND moved_money.account_report = keys.account_report
        AND moved_money.measure_field = keys.measure_field
    WHERE keys.amount IS NOT NULL AND keys.previous_amount IS NOT NULL
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
    FROM kept
),
changes AS (
    SELECT
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        reporting_month,
        previous_amount,
        amount,
        amount - previous_amount AS change,
        price_part,
        volume_part,
        try((expected_by_former - previous_expected - volume_part)::DECIMAL(28, 10)) AS mix_part,
        0::DECIMAL(28, 10) AS new_part,
        0::DECIMAL(28, 10) AS ended_part,
        try_cast(correction_part AS DECIMAL(28, 10)) AS correction_part,
        price_list_id,
        previous_quantity,
        quantity
    FROM parts
    UNION ALL
    SELECT
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        reporting_month,
        coalesce(previous_amount, 0),
        coalesce(amount, 0),
        coalesce(amount, -previous_amount),
        0,
        0,
        0,
        coalesce(amount, 0),
        CASE WHEN amount IS NULL THEN -previous_amount ELSE 0 END,
        0,
        coalesce(price_list_id, previous_price_list_id),
        coalesce(previous_quantity, 0),
        coalesce(quantity, 0)
    FROM single
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
