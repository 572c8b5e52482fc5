-- One row per rate ladder, quantity on its lines and slice: the arithmetic from the quantity measured to the expected amount.
-- kept as: view
-- Lines of the same ladder and quantity share it (out_line_proofs). A price of nothing has one slice of nothing; a price with an error has
-- none.
SELECT
    expected.set_no,
    expected.actual,
    coalesce(slices.slice, 1)::INTEGER AS slice,
    coalesce(slices.tier, 1)::INTEGER AS tier,
    tiers.level,
    tiers.schedule_id,
    slices.lower_bound::DECIMAL(28, 10) AS lower_bound,
    slices.upper_bound::DECIMAL(28, 10) AS upper_bound,
    coalesce(slices.billed_quantity, 0)::DECIMAL(28, 10) AS quantity,
    slices.block::DECIMAL(28, 10) AS block,
    coalesce(slices.blocks, 0)::DECIMAL(28, 10) AS blocks,
    coalesce(slices.rate, tiers.rate)::DECIMAL(28, 10) AS rate,
    coalesce(slices.flat, 0)::DECIMAL(28, 10) AS flat,
    coalesce(slices.amount, 0)::DECIMAL(38, 20) AS product,
    expected.amount_exact::DECIMAL(38, 20) AS amount_before_rounding,
    expected.expected_amount,
    rules.reading_id,
    rules.rule
FROM core_expected AS expected
LEFT JOIN core_chosen_readings USING (set_no)
LEFT JOIN core_reading_rules AS rules USING (set_no, reading_no)
LEFT JOIN core_rating_slices AS slices ON slices.case_id.set_no = expected.set_no AND slices.case_id.actual = expected.actual
LEFT JOIN core_set_tiers AS tiers ON tiers.set_no = expected.set_no AND tiers.tier = coalesce(slices.tier, 1)
WHERE expected.error IS NULL
