-- One row per changed ladder (core_shown_changes) and tier: a rate ladder with one number replaced by the one that lines show.
SELECT DISTINCT change_no, set_no, field, tier, allowance, minimum, maximum, block, rate, flat
FROM core_shown_changes
