-- One row per ladder that is tried and tier, as the rating takes it (core_rating_tiers).
-- kept as: scratch
-- with: core_tiers = simulation_tiers, core_sets = simulation_sets
SELECT *
FROM core_rating_tiers
