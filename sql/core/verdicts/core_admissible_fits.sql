-- One row per distinct billed figures of lines that do not fit their own terms, other rate ladder in force that may price them
-- (core_other_terms, `is_open`), and interpretation of it that gives them: quantity billed, and amount by `roundings`.
-- kept as: scratch
-- with: core_terms_rated = core_admissible_rated
FROM core_terms_fits
