-- One row per row of a ReportMonthly, ReportTrafficStats or ReportByDate table; the response's own columns follow those of the feed.
SELECT *
FROM lake_monthly_reports
