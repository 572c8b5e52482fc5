-- One row per rate ladder that is tried: what its ladder looks like (core_sets).
-- kept as: scratch
-- with: core_tiers = simulation_tiers
SELECT *
FROM core_sets
