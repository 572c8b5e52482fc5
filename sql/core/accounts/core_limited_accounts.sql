-- One row per rate ladder of a level with LimitedMonths, account and month in which the ladder billed the account.
SELECT DISTINCT lines.set_no, lines.network_id, lines.mailbox_id, lines.reporting_month
FROM core_lines AS lines
SEMI JOIN core_set_tiers AS tiers ON tiers.set_no = lines.set_no AND tiers.limited_months > 0
