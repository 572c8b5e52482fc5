-- One row per candidate rounding of a line, in order of preference; `unit` is one of its last decimal, `half` the half of that.
SELECT
    place::INTEGER AS rounding_no,
    rounding,
    scale::INTEGER AS scale,
    unit_of_rounding(rounding, scale::INTEGER) AS unit,
    (unit_of_rounding(rounding, scale::INTEGER + 1) * 5)::DECIMAL(38, 20) AS half
FROM reference_roundings
