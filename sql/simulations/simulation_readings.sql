-- One row per rate ladder that is tried, volume and interpretation that may hold: the sum of its lines under it.
-- kept as: scratch
-- Only ladders on which the interpretations give different sums: the undecided ones, side by side.
WITH sums AS (
    SELECT
        counted.volume,
        rated.set_no,
        rated.reading_no,
        rated.is_chosen,
        count(*) AS lines,
        sum(counted.amount)::DECIMAL(38, 10) AS old_amount,
        CASE WHEN count(*) FILTER (WHERE rated.amount IS NULL) = 0 THEN sum(rated.amount) END::DECIMAL(38, 10) AS new_amount
    FROM simulation_counted AS counted
    INNER JOIN simulation_rated AS rated
        ON rated.set_no = counted.simulated_set_no AND rated.volume = counted.volume AND rated.quantity = counted.quantity
    WHERE counted.is_tried
    GROUP BY counted.volume, rated.set_no, rated.reading_no, rated.is_chosen
),
parted AS (
    -- interpretations that give the same sum are one row, named by the first
    SELECT volume, set_no, old_amount, lines, new_amount, min(reading_no) AS reading_no, count(*) AS readings
    FROM sums
    GROUP BY volume, set_no, old_amount, lines, new_amount
)
SELECT
    parted.volume,
    sets.price_list_id,
    sets.account_report,
    sets.measure_field,
    rules.reading_id,
    parted.readings,
    parted.lines,
    parted.old_amount,
    parted.new_amount,
    (parted.new_amount - parted.old_amount)::DECIMAL(38, 10) AS difference,
    sentence_text(rules.rule) AS reading_words
FROM parted
INNER JOIN simulation_sets AS sets USING (set_no)
INNER JOIN simulation_reading_rules AS rules ON rules.set_no = parted.set_no AND rules.reading_no = parted.reading_no
QUALIFY count(*) OVER (PARTITION BY parted.volume, parted.set_no) > 1
