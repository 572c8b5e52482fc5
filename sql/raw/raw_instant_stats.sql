-- One row per row of a ReportInstantStats table; the response's own columns follow those of the feed.
SELECT *
FROM lake_instant_stats
