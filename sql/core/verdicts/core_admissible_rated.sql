-- One row per case of core_admissible_cases: the exact amount, its slices where there are several, and what is billed in units and in blocks.
-- kept as: scratch
-- with: core_terms_cases = core_admissible_cases
FROM core_terms_rated
