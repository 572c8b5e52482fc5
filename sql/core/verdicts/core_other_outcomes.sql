-- One row per distinct billed figures that do not fit a line's own terms, of lines that other terms in force may price (core_other_terms):
-- whether an admissible use of these gives them (`is_given`), and the range of all these terms.
-- Admissible are interpretations (core_admissible_readings), and each rounding that fits the lines of the price list alike, or is open.
WITH roundings AS (
    SELECT sets.set_no, fitting.rounding_no, fitting.place
    FROM core_sets AS sets
    INNER JOIN core_fitting_roundings AS fitting ON fitting.price_list_id = sets.price_list_id AND fitting.is_fee = (sets.kind = 'fee')
    UNION ALL
    SELECT open.set_no, roundings.rounding_no, NULL
    FROM (SELECT set_no, unnest(roundings) AS other FROM core_open_roundings) AS open
    INNER JOIN core_roundings AS roundings ON roundings.rounding = open.other.rounding AND roundings.unit = open.other.unit
),
usual AS (
    -- to whose decimals a range is stated
    SELECT roundings.set_no, rules.unit
    FROM roundings
    INNER JOIN core_roundings AS rules USING (rounding_no)
    WHERE roundings.place = 1
),
spans AS (
    SELECT other.terms_no, other.set_no, rated.actual, min(rated.amount_exact) AS least, max(rated.amount_exact) AS most
    FROM core_other_terms AS other
    INNER JOIN core_admissible_readings AS admissible USING (set_no, other_set_no)
    INNER JOIN core_set_readings AS readings ON readings.set_no = admissible.other_set_no AND readings.reading_no = admissible.reading_no
    INNER JOIN core_admissible_rated AS rated ON rated.set_no = readings.set_no AND rated.rule_no = readings.rule_no
    GROUP BY other.terms_no, other.set_no, rated.actual
),
ranges AS (
    SELECT
        spans.terms_no,
        spans.set_no,
        spans.actual,
        min(line_amount(spans.least, rules.rounding, rules.unit, rules.half))::DECIMAL(28, 10) AS least,
        max(line_amount(spans.most, rules.rounding, rules.unit, rules.half))::DECIMAL(28, 10) AS most
    FROM spans
    INNER JOIN roundings USING (set_no)
    INNER JOIN core_roundings AS rules ON rules.rounding_no = roundings.rounding_no
    INNER JOIN usual ON usual.set_no = spans.set_no AND usual.unit = rules.unit
    GROUP BY spans.terms_no, spans.set_no, spans.actual
),
given AS (
    SELECT DISTINCT fits.terms_no, fits.actual, fits.quantity_billed, fits.amount
    FROM core_admissible_fits AS fits
    SEMI JOIN core_admissible_readings USING (set_no, other_set_no, reading_no)
    INNER JOIN roundings ON roundings.set_no = fits.set_no AND list_contains(fits.roundings, roundings.rounding_no)
),
billed AS (
    SELECT DISTINCT terms_no, actual, quantity_billed, amount
    FROM core_lines
    SEMI JOIN core_other_terms USING (terms_no)
)
SELECT
    billed.terms_no,
    billed.actual,
    billed.quantity_billed AS quantity,
    billed.amount,
    given.terms_no IS NOT NULL
    AND (billed.quantity_billed, billed.amount)
    IS DISTINCT FROM (expected.expected_quantity_billed, expected.expected_amount) AS is_given,
    least(ranges.least, expected.expected_amount, tied.expected_least, agreed.amount) AS expected_least,
    greatest(ranges.most, expected.expected_amount, tied.expected_most, agreed.amount) AS expected_most
FROM billed
INNER JOIN ranges USING (terms_no, actual)
LEFT JOIN given USING (terms_no, actual, quantity_billed, amount)
LEFT JOIN core_expected AS expected ON expected.set_no = ranges.set_no AND expected.actual = billed.actual
LEFT JOIN core_open_outcomes AS tied ON tied.set_no = ranges.set_no AND tied.actual = billed.actual
LEFT JOIN core_agreed_amounts AS agreed ON agreed.set_no = ranges.set_no AND agreed.actual = billed.actual
