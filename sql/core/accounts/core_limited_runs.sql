-- One row per month whose run was limited to the accounts of the setting ECGRID_ACCOUNTS.
SELECT DISTINCT reporting_month
FROM raw_accounts
WHERE list_contains(string_split(sources, ','), 'settings')
