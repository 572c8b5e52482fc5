-- One row per ladder as lines show it (core_heading_changes) and tier: a schedule set with one number replaced.
SELECT DISTINCT change_no, set_no, field, tier, allowance, minimum, maximum, block, rate, flat
FROM core_heading_changes
