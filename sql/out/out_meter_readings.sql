-- One row per network, account report, measure and candidate meter: which statistic, in which unit and direction, Actual is made of.
-- Candidates that give the same quantity on every line have one row, that of the plainest. The chosen one comes first.
-- verdict: on network, report and measure: decided (the chosen candidate alone explains most telling lines, at least two), undecided, or none_fits (less than half are explained)
-- statistic: what is counted or added up: interchanges, parcels, bytes, parcel bytes or KC; with states also without duplicates, charged to the account, or charged with duplicates
-- unit: count; or of KCs: KC or bytes/1000 (exact), bytes/1024, or rounded up per interchange, parcel or month
-- direction: in, out or both, from the account's side
-- clock: whose month it is: server (periods are the server's own) or utc
-- telling_lines: number of lines on which candidates give different quantities
-- telling_lines_explained: number of those that the candidate explains
-- is_chosen: true for the candidate that out_usage_tieout compares with
-- counter_example: telling line that the candidate does not explain and another does, in words; null: none, or the chosen candidate
WITH candidates AS (
    SELECT
        *,
        (sum(telling_lines) OVER (PARTITION BY network_id, account_report, measure_field))::BIGINT AS telling_lines_of_all
    FROM core_meter_scores
),
apart AS (
    SELECT
        *,
        max(telling_lines_explained) OVER measure AS most_explained,
        row_number() OVER (measure ORDER BY telling_lines_explained DESC, lines_explained DESC, place, statistic) AS standing
    FROM (
        FROM candidates
        QUALIFY row_number() OVER (
            PARTITION BY network_id, account_report, measure_field, lines, signature ORDER BY place, statistic
        ) = 1
    )
    WINDOW measure AS (PARTITION BY network_id, account_report, measure_field)
),
judged AS (
    SELECT
        *,
        CASE
            WHEN most_explained * 2 < telling_lines_of_all THEN 'none_fits'
            WHEN most_explained < 2 OR count(*) FILTER (WHERE telling_lines_explained = most_explained) OVER measure > 1 THEN 'undecided'
            ELSE 'decided'
        END AS verdict
    FROM apart
    WINDOW measure AS (PARTITION BY network_id, account_report, measure_field)
)
SELECT
    network_id,
    account_report,
    measure_field,
    statistic,
    unit,
    direction,
    'server' AS clock,
    telling_lines_of_all AS telling_lines,
    telling_lines_explained::BIGINT AS telling_lines_explained,
    verdict,
    verdict = 'decided' AND standing = 1 AS is_chosen,
    CASE WHEN verdict <> 'decided' OR standing > 1 THEN counter_example END AS counter_example
FROM judged
ORDER BY network_id, account_report, measure_field, standing
