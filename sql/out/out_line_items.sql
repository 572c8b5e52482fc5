-- One row per billed line: key (account, month, account report, measure), the answer, and what its reading expects.
-- kept as: view
-- terms_witness: document or reading that gives the terms, in words
-- expected_amount: of several that may be expected of a line that differs from all, the nearest; null if the amount billed is between them
-- difference: amount less expected_amount; null without one
-- reading_words: the reading that prices it as a sentence; null where none fits
-- verdict: fits, differs, undecided (some of the tied readings, or another rounding, give the amount) or not_provable
SELECT * EXCLUDE (set_no)
FROM core_line_items
