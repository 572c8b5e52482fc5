-- One row per row of a table of ReportMonthly, ReportTrafficStats or ReportByDate; the answer's own columns follow those of the feed.
SELECT
    *
FROM lake_monthly_reports
