-- One row per volume and account, contract, month, or all of them: the sums of the lines that have a new price.
-- kept as: scratch
-- grouping: total, month, contract, account; keys that are not of it are null. Lines without a new price are counted, and what was
-- billed for them is in `unrated_amount` and in no other sum.
WITH sums AS (
    SELECT
        volume,
        CASE grouping(reporting_month, contract_id, network_id)
            WHEN 7 THEN 'total'
            WHEN 3 THEN 'month'
            WHEN 5 THEN 'contract'
            ELSE 'account'
        END AS grouping,
        reporting_month,
        contract_id,
        network_id,
        mailbox_id,
        count(*) AS lines,
        count(*) FILTER (WHERE error IS NOT NULL) AS unrated_lines,
        coalesce(sum(old_amount) FILTER (WHERE error IS NOT NULL), 0)::DECIMAL(38, 10) AS unrated_amount,
        coalesce(sum(old_amount) FILTER (WHERE error IS NULL), 0)::DECIMAL(38, 10) AS old_amount,
        coalesce(sum(read_amount), 0)::DECIMAL(38, 10) AS read_amount,
        coalesce(sum(least_amount), 0)::DECIMAL(38, 10) AS least_amount,
        coalesce(sum(most_amount), 0)::DECIMAL(38, 10) AS most_amount
    FROM simulation_results
    GROUP BY GROUPING SETS (
        (volume), (volume, reporting_month), (volume, contract_id), (volume, network_id, mailbox_id)
    )
),
ranged AS (
    SELECT *, least(read_amount, least_amount, most_amount) AS new_low, greatest(read_amount, least_amount, most_amount) AS new_high
    FROM sums
)
SELECT
    volume,
    "grouping",
    reporting_month,
    contract_id,
    network_id,
    mailbox_id,
    lines,
    unrated_lines,
    unrated_amount,
    old_amount,
    CASE WHEN new_low = new_high THEN new_low END AS new_amount,
    new_low,
    new_high,
    CASE WHEN new_low = new_high THEN new_low - old_amount END::DECIMAL(38, 10) AS difference,
    (new_low - old_amount)::DECIMAL(38, 10) AS difference_low,
    (new_high - old_amount)::DECIMAL(38, 10) AS difference_high
FROM ranged
