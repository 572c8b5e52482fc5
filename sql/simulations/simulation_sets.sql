-- One row per rate ladder that is tried: what its ladder looks like (core_sets).
-- kept as: scratch
-- with: core_tiers = simulation_tiers
-- `is_bounded_alone`: the only tier of a file's ladder states a bound. It counts as one of two tiers, of which the other has no price;
-- its bounds would else be a floor and a cap of the quantity (core_set_readings), and use above the Maximum would cost nothing.
WITH of_file AS (
    -- simulation_tiers gives tiers of a file numbers below 0
    SELECT DISTINCT set_no
    FROM core_tiers
    WHERE schedule_id < 0
),
shaped AS (
    SELECT
        sets.*,
        of_file.set_no IS NOT NULL AND sets.tiers = 1 AND coalesce(sets.first_minimum > 0 OR sets.first_maximum > 0, false) AS is_bounded_alone
    FROM core_sets AS sets
    LEFT JOIN of_file USING (set_no)
)
SELECT * REPLACE (CASE WHEN is_bounded_alone THEN 2 ELSE tiers END AS tiers)
FROM shaped
