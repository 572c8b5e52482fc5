-- One row per row of an InterconnectCount table; the response's own columns follow those of the feed.
SELECT *
FROM lake_interconnect_counts
