-- One row per network, account report, measure and candidate meter: which statistic, in which unit and direction, Actual is made of.
-- Candidates that explain the same lines, and give the same whole numbers on the others, have one row, that of the plainest. The chosen one comes first.
-- verdict: on network, report and measure: decided (the chosen candidate alone explains most telling lines, at least two), undecided, or none_fits (less than half are explained)
-- statistic: what is counted or added up: interchanges, parcels, bytes, parcel bytes or KC; with states also without duplicates, charged to the account, or charged with duplicates
-- unit: count; or of KCs: KC or bytes/1000 (exact), bytes/1024, or rounded up per interchange or parcel, or per month up or to the nearest
-- direction: in, out or both, from the account's side
-- clock: whose month it is: server (as the service cuts it) or utc; null: undecided, for no line tells them apart
-- telling_lines: number of lines on which candidates give different quantities
-- telling_lines_explained: number of those that the candidate explains
-- is_chosen: true for the candidate that out_usage_tieout compares with
-- not_told: what the statistics cannot tell about the meter of this measure, in words; null: nothing
-- counter_example: telling line that the candidate does not explain and another does, in words; null: none, or the chosen candidate
WITH candidates AS (
    SELECT
        *,
        (sum(telling_lines) OVER measure)::BIGINT AS telling_lines_of_all,
        bool_or(unit LIKE 'bytes/%') OVER measure AS has_bytes,
        bool_or(unit LIKE '%up per interchange' OR unit LIKE '%up per parcel') OVER measure AS has_message_sizes,
        bool_or(statistic LIKE '% charged%') OVER measure AS has_states
    FROM core_meter_scores
    WINDOW measure AS (PARTITION BY network_id, account_report, measure_field)
),
apart AS (
    SELECT
        *,
        max(telling_lines_explained) OVER measure AS most_explained,
        row_number() OVER (measure ORDER BY telling_lines_explained DESC, lines_explained DESC, place, statistic) AS standing
    FROM (
        FROM candidates
        WHERE clock = 'server' OR clock_telling_lines > 0
        QUALIFY row_number() OVER (
            PARTITION BY network_id, account_report, measure_field, lines, lines_explained, signature ORDER BY place, statistic
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
    CASE WHEN clock_telling_lines > 0 THEN clock END AS clock,
    telling_lines_of_all AS telling_lines,
    telling_lines_explained::BIGINT AS telling_lines_explained,
    verdict,
    verdict = 'decided' AND standing = 1 AS is_chosen,
    nullif(
        concat_ws(
            '; ',
            CASE WHEN NOT bool_or(clock_telling_lines > 0) OVER measure THEN 'whether the month ends by UTC or by the service''s clock' END,
            CASE WHEN measure_field LIKE '%KCs' AND NOT has_bytes THEN 'whether a KC has 1,000 or 1,024 bytes, and what rounding costs: no bytes are stated' END,
            CASE
                WHEN measure_field LIKE '%KCs' AND NOT has_message_sizes AND NOT coalesce(bool_or(verdict = 'decided' AND standing = 1 AND unit LIKE 'bytes/%') OVER measure, false)
                    THEN 'whether KCs are rounded up message by message: no KCs per interchange or parcel are stated'
            END,
            CASE WHEN NOT has_states THEN 'whether duplicates or what a partner pays are counted: no status is stated' END
        ),
        ''
    ) AS not_told,
    CASE WHEN verdict <> 'decided' OR standing > 1 THEN counter_example END AS counter_example
FROM judged
WINDOW measure AS (PARTITION BY network_id, account_report, measure_field)
ORDER BY network_id, account_report, measure_field, standing
