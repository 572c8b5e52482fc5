-- Macros that several relations use for interpretations.

-- A phrase as a sentence, with a capital and a full stop.
CREATE OR REPLACE MACRO sentence_text(phrase) AS upper(left(phrase, 1)) || substring(phrase, 2) || '.';

-- `quantity` limited to a floor and a cap; null or 0 is no limit.
CREATE OR REPLACE MACRO bounded_quantity(quantity, lowest, highest) AS
    CASE
        WHEN coalesce(highest, 0) > 0 AND greatest(quantity, coalesce(lowest, 0)) > highest THEN highest
        ELSE greatest(quantity, coalesce(lowest, 0))
    END::DECIMAL(28, 10);

-- The quantity to rate under an interpretation. The floor and cap of a schedule without other tiers limit the measured quantity, or the
-- quantity less the allowance; other interpretations take the quantity unchanged. A floor never applies to a negative quantity.
CREATE OR REPLACE MACRO case_quantity(actual, lone_bounds, allowance, lowest, highest) AS
    CASE WHEN actual < 0 THEN actual ELSE bounded_quantity(
        CASE WHEN lone_bounds = 'floor_and_cap_after_allowance' THEN greatest(actual - allowance, 0) ELSE actual END,
        CASE WHEN lone_bounds IN ('floor', 'floor_and_cap', 'floor_and_cap_after_allowance') THEN lowest END,
        CASE WHEN lone_bounds IN ('cap', 'floor_and_cap', 'floor_and_cap_after_allowance') THEN highest END
    ) END;

-- The allowance left for the rating to apply.
CREATE OR REPLACE MACRO case_allowance(allowance_rule, lone_bounds, allowance) AS
    CASE
        WHEN allowance_rule = 'ignored' OR lone_bounds = 'floor_and_cap_after_allowance' THEN 0
        ELSE allowance
    END::DECIMAL(28, 10);

-- Whether the quantity billed, by some rule of blocks and with or without the allowance, can be from `least` to `most`. The range
-- includes the largest rounding to a block.
CREATE OR REPLACE MACRO can_bill(quantity, allowance, least, most) AS quantity >= least AND quantity - allowance <= most;

-- Whether a tier's price is a fee, of the tier that holds the quantity or of each one reached, and not a rate per unit or block.
CREATE OR REPLACE MACRO is_fee_model(model) AS model IN ('stairstep', 'stacked_flat');

-- The id of a trial case: a quantity number and a rule number in one integer, and back.
CREATE OR REPLACE MACRO trial_case(quantity_no, rule_no) AS (quantity_no << 16) + rule_no;
CREATE OR REPLACE MACRO quantity_of_case(case_id) AS case_id >> 16;
CREATE OR REPLACE MACRO rule_of_case(case_id) AS (case_id & 65535)::INTEGER;

-- An exact amount of DECIMAL(38,20) rounded as a line shows it, symmetric around 0; 'none' does not round.
-- `unit` is one unit of the last decimal kept, `half` half of it.
CREATE OR REPLACE MACRO line_amount(exact_amount, rounding, unit, half) AS
    CASE
        WHEN rounding = 'none' THEN exact_amount
        ELSE CASE WHEN exact_amount < 0 THEN -1 ELSE 1 END * rounded_to_unit(abs(exact_amount), false, unit, half, rounding)
    END::DECIMAL(38, 20);

-- Whether a rounding rounds each slice before the slices are added, instead of the line.
CREATE OR REPLACE MACRO is_of_slices(rounding) AS ends_with(rounding, '_slices');

-- Whether a rounding is one of cash: to five cents or to tenths.
CREATE OR REPLACE MACRO is_of_cash(rounding, scale) AS ends_with(rounding, '_fives') OR scale = 1;

-- Whether an exact amount, or one of its slices where these are rounded one by one, has something to round to multiples of `unit`.
CREATE OR REPLACE MACRO has_rest(exact_amount, slices, rounding, unit) AS
    CASE
        WHEN is_of_slices(rounding) AND slices IS NOT NULL THEN len(list_filter(slices, lambda slice: slice % unit <> 0)) > 0
        ELSE exact_amount % unit <> 0
    END;

-- Whether a rounding has two steps: to more decimals first, then to cents.
CREATE OR REPLACE MACRO is_of_two_steps(rounding) AS ends_with(rounding, '_twice');

-- The amount of a line, or of its slices where these are rounded one by one, in two steps. Null: too large.
CREATE OR REPLACE MACRO amount_in_two_steps(exact_amount, slices, rounding, unit, half) AS
    try(round(
        CASE
            WHEN starts_with(rounding, 'half_up_slices') AND slices IS NOT NULL
                THEN list_sum(list_transform(slices, lambda slice: line_amount(slice, 'half_up', unit, half)))
            ELSE line_amount(exact_amount, 'half_up', unit, half)
        END::DECIMAL(38, 20),
        2
    ));

-- Whether a rounding that is open (core_open_roundings) gives an amount. `slices`: how many slices the exact amount is the sum of, at most.
CREATE OR REPLACE MACRO is_rounded_otherwise(amount, exact_amount, slices, roundings) AS
    len(list_filter(
        roundings,
        lambda other: CASE
            WHEN is_of_two_steps(other.rounding)
                THEN coalesce(amount % 0.01 = 0 AND abs(amount - exact_amount) <= other.half * slices + 0.005, false)
            WHEN (slices > 1 AND (other.is_near OR is_of_slices(other.rounding))) OR (other.is_near AND other.unit IN (0.05, 0.1)) THEN coalesce(abs(amount - exact_amount) < other.unit * slices, false)
            ELSE coalesce(try(line_amount(exact_amount, other.rounding, other.unit, other.half)) = amount, false)
        END
    )) > 0;

-- The amount of a line from its exact amount, or from its slices where these are rounded one by one (`slices` null: there is only one).
CREATE OR REPLACE MACRO rounded_amount(exact_amount, slices, rounding, unit, half) AS
    CASE
        WHEN is_of_slices(rounding) AND slices IS NOT NULL
            THEN list_sum(list_transform(slices, lambda slice: line_amount(slice, rounding, unit, half)))
        ELSE line_amount(exact_amount, rounding, unit, half)
    END::DECIMAL(38, 20);

-- part / whole in percent, half up; null for a whole of 0. The only quotient shown with interpretations and findings.
CREATE OR REPLACE MACRO share_of(part, whole) AS
    CASE WHEN whole > 0 THEN ((part::HUGEINT * 2000000 + whole) // (whole * 2))::DECIMAL(18, 0) * 0.0001 END::DECIMAL(9, 4);

-- Exact cost of QuantityBilled at one rate, to recognise the rate that a line was billed at. Null: too large.
CREATE OR REPLACE MACRO cost_at_rate(quantity_billed, billed_in, rate_per, block, rate) AS
    try(CASE
        WHEN coalesce(block, 0) = 0 OR billed_in = rate_per || 's' THEN quantity_billed * rate
        WHEN billed_in = 'blocks' THEN (quantity_billed * block)::DECIMAL(28, 10) * rate
        ELSE per_block_amount(quantity_billed, block, rate)
    END::DECIMAL(38, 20));

-- The whole part of a number, its thousands separated by commas: -1234.5 gives -1,234. DuckDB copies an argument to every place where the
-- macro uses it, and a build parses and plans each copy. These macros are in most sentences, so they use their argument few times.
CREATE OR REPLACE MACRO whole_text(value) AS
    ltrim(replace(reverse(regexp_replace(reverse(split_part(value::VARCHAR, '.', 1)), '(\d{3})', '\1,', 'g')), '-,', '-'), ',');

-- A number in a sentence for people: all its digits, thousands separated: 1,000 or 1,500.5.
CREATE OR REPLACE MACRO grouped_text(value) AS
    whole_text(value) || rtrim(rtrim('.' || split_part(value::VARCHAR, '.', 2), '0'), '.');

-- A quantity with its unit, in a sentence for people: 1 item, 2 items.
CREATE OR REPLACE MACRO units_text(value, unit) AS
    concat(grouped_text(value), ' ', unit, CASE WHEN abs(value) = 1 THEN '' ELSE 's' END);

-- An amount of money in a sentence for people: at least two decimals, more if it has them, thousands separated; never rounded.
CREATE OR REPLACE MACRO money_text(value) AS
    whole_text(value) || '.' || left(split_part(value::VARCHAR, '.', 2) || '00', 2) || rtrim(substr(split_part(value::VARCHAR, '.', 2), 3), '0');

-- A reading_id in a sentence for people: `volume.max_exclusive` gives volume (max exclusive).
CREATE OR REPLACE MACRO reading_text(reading_id) AS
    replace(split_part(reading_id, '.', 1), '_', ' ')
    || CASE
        WHEN contains(reading_id, '.')
            THEN ' (' || replace(replace(regexp_replace(reading_id, '^[^.]*\.', ''), '.', ', '), '_', ' ') || ')'
        ELSE ''
    END;

-- The first five of a list of names, and how many others there are.
CREATE OR REPLACE MACRO few_text(names) AS
    array_to_string(names[:5], ', ') || CASE WHEN len(names) > 5 THEN concat(' and ', len(names) - 5, ' more') ELSE '' END;

-- Suffix with the range of expected amounts where undecided interpretations, two terms in force, or roundings that fit alike, give
-- different amounts.
CREATE OR REPLACE MACRO range_text(expected_least, expected_most, left_open) AS
    CASE
        WHEN expected_least < expected_most THEN concat(
            CASE left_open
                WHEN 'terms' THEN ' Several terms are in force in the month: they give '
                WHEN 'rounding' THEN ' The lines of the list do not settle its rounding: those that fit give '
                ELSE ' The interpretation of the list is undecided: the candidates give '
            END,
            money_text(expected_least), ' to ', money_text(expected_most), '.'
        )
        ELSE ''
    END;

-- A difference as text: `13.37 too much`.
CREATE OR REPLACE MACRO too_much_text(difference) AS
    money_text(abs(difference)) || CASE WHEN difference > 0 THEN ' too much' ELSE ' too little' END;

-- dividend / divisor truncated to 10 decimals; null for a divisor of 0, or a quotient that is too large. For indicators, never for a billed amount.
CREATE OR REPLACE MACRO quotient(dividend, divisor) AS
    CASE
        WHEN divisor <> 0 THEN try((
            (in_last_decimals(dividend) * 10000000000 // nullif(in_last_decimals(divisor), 0))::DECIMAL(38, 0)
            * 0.0000000001::DECIMAL(10, 10)
        )::DECIMAL(28, 10))
    END;

-- The part of a bill (reference_money_bases) that a charge belongs to; null for a subtotal, which repeats other charges.
-- `kind` is from reference_measures; a measure without a row there counts as usage.
CREATE OR REPLACE MACRO charge_part(kind, measure_field, level) AS
    CASE
        WHEN kind = 'subtotal' THEN NULL
        WHEN kind = 'percentage' THEN 'percentages'
        WHEN kind = 'minimum' THEN 'minimums'
        WHEN measure_field = 'Credit' THEN 'credits'
        WHEN kind = 'fee' AND level = 'OneTime' THEN 'one_time'
        WHEN kind = 'fee' THEN 'fixed'
        ELSE 'usage'
    END;

-- Unrounded amount of a derived charge: a rule (reference_money_readings) applied to Rate and the base amount.
CREATE OR REPLACE MACRO money_by_rule(rule, rate, base_amount) AS
    CASE rule
        WHEN 'per_hundred' THEN base_amount * rate * 0.01
        WHEN 'per_hundred_negated' THEN -base_amount * rate * 0.01
        WHEN 'fraction' THEN base_amount * rate
        WHEN 'fraction_negated' THEN -base_amount * rate
        WHEN 'amount_is_base' THEN base_amount
        WHEN 'true_up' THEN greatest(rate - base_amount, 0)
        WHEN 'whole_when_below' THEN CASE WHEN base_amount < rate THEN rate ELSE 0 END
        WHEN 'always' THEN rate
        ELSE 0
    END::DECIMAL(38, 20);

-- Rounded amount of a derived charge by such a rule.
CREATE OR REPLACE MACRO money_line_amount(rule, rate, base_amount, rounding, unit, half) AS
    line_amount(money_by_rule(rule, rate, base_amount), rounding, unit, half)::DECIMAL(28, 10);

-- Expected amount of a derived charge from its exact amount. If no line shows how its list rounds, the amount billed is expected where
-- some rounding to the same decimals gives it. Null: too large.
CREATE OR REPLACE MACRO trial_amount(amount, amount_exact, is_seen, rounding, unit, half) AS
    CASE
        WHEN NOT is_seen AND coalesce(try(abs(amount - amount_exact) < unit), false) AND try(part_of_block(abs(amount), unit)) = 0 THEN amount
        ELSE try_cast(try(line_amount(amount_exact, rounding, unit, half)) AS DECIMAL(28, 10))
    END;

-- Whether an interpretation of a derived charge is tied with the leader: it explains the same lines, or the leader wins fewer than two
-- thirds of the lines on which the two differ (`gained` and `lost`), or wins a single line whose Actual is not the leader's base
-- (`lost_stated`). A remote interpretation is never tied with an ordinary leader.
CREATE OR REPLACE MACRO is_tied_with_leader(plausibility, leading_plausibility, lines_explained, gained, lost, lost_stated) AS
    lines_explained > 0
    AND (plausibility = 'ordinary' OR leading_plausibility = 'remote')
    AND ((gained = 0 AND lost = 0) OR lost < gained * 2 OR (lost = 1 AND lost_stated = 0));

-- The account on which interpretations of a derived charge differ, as text.
CREATE OR REPLACE MACRO deciding_account_text(charges, parting_charge, parting_measure) AS
    concat(
        'other charges of ', money_text(charges),
        CASE
            WHEN parting_measure IS NULL THEN ''
            ELSE concat(' and ', money_text(parting_charge), ' for ', parting_measure)
        END
    );
