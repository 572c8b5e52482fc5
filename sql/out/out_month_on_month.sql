-- One row per key billed in a month or the one before: the change of its amount, in parts that add up to it exactly.
-- kept as: view
-- per: group
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
kept AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.account_report,
        lines.measure_field,
        lines.reporting_month,
        lines.price_list_id,
        sets.tiers,
        earlier.amount AS previous_amount,
        lines.amount,
        try((lines.amount - lines.expected_amount) - (earlier.amount - earlier.expected_amount)) AS correction_part,
        earlier.actual AS previous_quantity,
        lines.actual AS quantity,
        earlier.expected_amount AS previous_expected,
        lines.expected_amount AS expected,
        CASE
            WHEN lines.set_no IS NOT DISTINCT FROM earlier.set_no THEN lines.expected_amount
            ELSE coalesce(moved.amount, moved_money.amount, lines.expected_amount)
        END AS expected_by_former
    FROM results AS lines
    INNER JOIN pairs USING (reporting_month)
    INNER JOIN results AS earlier
        ON earlier.network_id = lines.network_id
        AND earlier.mailbox_id = lines.mailbox_id
        AND earlier.account_report = lines.account_report
        AND earlier.measure_field = lines.measure_field
        AND earlier.reporting_month = pairs.previous_month
    LEFT JOIN core_sets AS sets ON sets.set_no = lines.set_no
    LEFT JOIN core_repricing_rated AS moved ON moved.set_no = earlier.set_no AND moved.actual = lines.actual
    LEFT JOIN core_derived_repriced AS moved_money
        ON moved_money.network_id = lines.network_id
        AND moved_money.mailbox_id = lines.mailbox_id
        AND moved_money.reporting_month = lines.reporting_month
        AND moved_money.account_report = lines.account_report
        AND moved_money.measure_field = lines.measure_field
),
parts AS (
    SELECT
        *,
        try((expected - expected_by_former)::DECIMAL(28, 10)) AS price_part,
        CASE
            WHEN tiers IS NULL OR tiers = 1 OR previous_quantity = 0 THEN try((expected_by_former - previous_expected)::DECIMAL(28, 10))
            ELSE coalesce(
                try(round(
                    quotient(
                        round((quantity - previous_quantity) * previous_expected, 10)::DECIMAL(28, 10), previous_quantity
                    ),
                    2
                )::DECIMAL(28, 10)),
                try((expected_by_former - previous_expected)::DECIMAL(28, 10))
            )
        END AS volume_part
    FROM kept
)
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
    lines.network_id, lines.mailbox_id, lines.account_report, lines.measure_field, lines.reporting_month,
    0, lines.amount, lines.amount, 0, 0, 0, lines.amount, 0, 0, lines.price_list_id, 0, lines.actual
FROM core_lines AS lines
INNER JOIN pairs USING (reporting_month)
ANTI JOIN core_faulted_keys AS faulted
    ON faulted.network_id = lines.network_id
    AND faulted.mailbox_id = lines.mailbox_id
    AND faulted.account_report = lines.account_report
    AND faulted.measure_field = lines.measure_field
    AND faulted.reporting_month = pairs.previous_month
ANTI JOIN core_lines AS earlier
    ON earlier.network_id = lines.network_id
    AND earlier.mailbox_id = lines.mailbox_id
    AND earlier.account_report = lines.account_report
    AND earlier.measure_field = lines.measure_field
    AND earlier.reporting_month = pairs.previous_month
WHERE
    NOT EXISTS (FROM core_limited_runs AS limited WHERE limited.reporting_month = pairs.previous_month)
    OR EXISTS (
        FROM core_requested_accounts AS asked
        WHERE asked.network_id = lines.network_id
            AND asked.mailbox_id = lines.mailbox_id
            AND asked.reporting_month = pairs.previous_month
    )
UNION ALL
SELECT
    earlier.network_id, earlier.mailbox_id, earlier.account_report, earlier.measure_field, pairs.reporting_month,
    earlier.amount, 0, -earlier.amount, 0, 0, 0, 0, -earlier.amount, 0, earlier.price_list_id, earlier.actual, 0
FROM core_lines AS earlier
INNER JOIN pairs ON pairs.previous_month = earlier.reporting_month
ANTI JOIN core_faulted_keys AS faulted
    ON faulted.network_id = earlier.network_id
    AND faulted.mailbox_id = earlier.mailbox_id
    AND faulted.account_report = earlier.account_report
    AND faulted.measure_field = earlier.measure_field
    AND faulted.reporting_month = pairs.reporting_month
ANTI JOIN core_lines AS lines
    ON lines.network_id = earlier.network_id
    AND lines.mailbox_id = earlier.mailbox_id
    AND lines.account_report = earlier.account_report
    AND lines.measure_field = earlier.measure_field
    AND lines.reporting_month = pairs.reporting_month
WHERE
    NOT EXISTS (FROM core_limited_runs AS limited WHERE limited.reporting_month = pairs.reporting_month)
    OR EXISTS (
        FROM core_requested_accounts AS asked
        WHERE asked.network_id = earlier.network_id
            AND asked.mailbox_id = earlier.mailbox_id
            AND asked.reporting_month = pairs.reporting_month
    )
