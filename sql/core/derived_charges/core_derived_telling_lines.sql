-- One row per derived charge that is evidence between the interpretations of its rate ladder, with or without an amount.
-- A line of 0 is evidence if a contender expects an amount, for all candidates alike: also for those that it fits. Contenders are the
-- leader, and interpretations that explain an amount which none before them (by place) explains. A line of 0 that only others miss is no
-- evidence: the lines with an amount rule those out.
WITH candidates AS (
    -- a remote interpretation is no alternative to an ordinary leader
    SELECT ranks.set_no, ranks.reading_no, ranks.place
    FROM core_derived_ranks AS ranks
    INNER JOIN core_derived_ranks AS leaders ON leaders.set_no = ranks.set_no AND leaders.place = 1
    WHERE ranks.plausibility = 'ordinary' OR leaders.plausibility = 'remote'
),
contenders AS (
    SELECT DISTINCT set_no, place
    FROM (
        SELECT trials.set_no, min(candidates.place) AS place
        FROM core_derived_trials AS trials
        INNER JOIN candidates USING (set_no, reading_no)
        WHERE trials.departures IS NOT NULL AND trials.amount <> 0
        GROUP BY
            trials.set_no, trials.network_id, trials.mailbox_id, trials.reporting_month, trials.account_report, trials.measure_field
    )
    UNION
    SELECT set_no, place
    FROM candidates
    WHERE place = 1
)
SELECT DISTINCT
    trials.set_no,
    trials.network_id,
    trials.mailbox_id,
    trials.reporting_month,
    trials.account_report,
    trials.measure_field
FROM core_derived_trials AS trials
INNER JOIN candidates USING (set_no, reading_no)
SEMI JOIN contenders ON contenders.set_no = candidates.set_no AND contenders.place = candidates.place
WHERE trials.is_telling AND (trials.departures IS NOT NULL OR NOT trials.is_base_open)
