-- One row per rate ladder: further observations on its lines.
-- shown_schedule: the schedule shown by lines past the first tier that are billed slice by slice. words: whether LimitedMonths has an
-- effect; it has none if an account was billed for more months.
WITH limits AS (
    SELECT set_no, max(limited_months) AS limited_months
    FROM core_set_tiers
    WHERE limited_months > 0
    GROUP BY set_no
),
accounts AS (
    SELECT set_no, network_id, mailbox_id, count(*) AS months
    FROM core_limited_accounts
    GROUP BY ALL
),
longest AS (
    SELECT set_no, max(months) AS months_billed
    FROM accounts
    GROUP BY set_no
)
SELECT
    sets.set_no,
    CASE
        WHEN shown.lines_showing_reached = shown.lines THEN 'tier reached'
        WHEN shown.lines_showing_first = shown.lines THEN 'first tier'
        WHEN shown.lines > 0 THEN 'varies'
    END AS shown_schedule,
    limits.limited_months,
    longest.months_billed::BIGINT AS months_billed,
    CASE
        WHEN limits.limited_months IS NULL THEN NULL
        WHEN longest.months_billed > limits.limited_months
            THEN concat(
                '; its LimitedMonths of ', limits.limited_months, ' ends nothing: an account was billed for ', longest.months_billed, ' months'
            )
        ELSE concat(
            '; no account was billed for more than its LimitedMonths of ', limits.limited_months, ' yet, so what comes then is open'
        )
    END AS words
FROM core_sets AS sets
LEFT JOIN limits USING (set_no)
LEFT JOIN longest USING (set_no)
LEFT JOIN core_shown_tiers AS shown USING (set_no)
