-- One row per ladder that is tried and tier, as the rating takes it (core_rating_tiers).
-- kept as: scratch
-- with: core_tiers = simulation_tiers
SELECT *
FROM core_rating_tiers
