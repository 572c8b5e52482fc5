-- One row per rate ladder billed slice by slice: how many of its correct lines past the first tier show which schedule.
-- Of a large ladder only the lines on trial are counted (core_trial_lines).
WITH sliced AS (
    SELECT chosen.set_no
    FROM core_chosen_readings AS chosen
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    WHERE chosen.verdict <> 'none_fits' AND readings.model IN ('graduated', 'stacked_flat')
)
SELECT
    lines.set_no,
    sum(lines.lines)::BIGINT AS lines,
    coalesce(sum(lines.lines) FILTER (WHERE lines.shown_tier = expected.expected_tier), 0)::BIGINT AS lines_showing_reached,
    coalesce(sum(lines.lines) FILTER (WHERE lines.shown_tier = 1), 0)::BIGINT AS lines_showing_first
FROM core_trial_lines AS lines
INNER JOIN core_expected AS expected ON expected.set_no = lines.set_no AND expected.actual = lines.actual AND expected.expected_tier > 1
SEMI JOIN sliced ON sliced.set_no = lines.set_no
WHERE lines.shown_tier IS NOT NULL
    AND lines.amount = expected.expected_amount
    AND lines.quantity_billed = expected.expected_quantity_billed
GROUP BY lines.set_no
