-- One row per row of a ReportMonthly table; the answer's own columns follow those of the feed.
SELECT
    *
FROM lake_monthly_reports
