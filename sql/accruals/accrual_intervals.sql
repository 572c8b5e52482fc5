-- One row per key and distance of the months compared, with at least nine ratios: those between which eight of ten lie.
-- kept as: scratch
-- With n ratios of an account's own history, the next one falls between the k-th smallest and the k-th largest with the chance
-- (n + 1 - 2k) of (n + 1), whatever their distribution, as long as months are alike: k is a tenth of n + 1, to the nearest whole.
WITH ranked AS (
    SELECT
        *,
        count(*) OVER own AS ratios,
        row_number() OVER (PARTITION BY network_id, mailbox_id, account_report, measure_field, months ORDER BY ratio, place) AS rank
    FROM accrual_ratios
    WINDOW own AS (PARTITION BY network_id, mailbox_id, account_report, measure_field, months)
),
placed AS (
    SELECT *, ((ratios + 6 - (ratios + 6) % 10) * 0.1)::INTEGER AS lowest
    FROM ranked
    WHERE ratios >= 9
)
SELECT
    network_id,
    mailbox_id,
    account_report,
    measure_field,
    months,
    any_value(ratios) AS ratios,
    any_value(ratio) FILTER (WHERE rank = lowest) AS low_ratio,
    any_value(ratio) FILTER (WHERE rank = ratios + 1 - lowest) AS high_ratio
FROM placed
GROUP BY network_id, mailbox_id, account_report, measure_field, months
