-- Exact arithmetic on DECIMAL, and the only place where anything is divided.
-- DuckDB turns DECIMAL / anything, DECIMAL // anything and avg(DECIMAL) into a binary floating-point number; +, -, *,
-- %, sum, least and greatest stay DECIMAL, and // on HUGEINT is a whole-number division that cuts toward zero.
-- On 128 bits a % costs thirty times a product (240 ns; a conversion to HUGEINT 580 ns, to fewer decimals 2,000 ns), on 64
-- bits hardly anything: hence the branches for small values, and products in place of divisions where possible.

-- Plain text of a decimal without superfluous zeros: 1.5000000000 gives 1.5, 100.0000000000 gives 100.
CREATE OR REPLACE MACRO plain_text(value) AS
    CASE WHEN contains(value::VARCHAR, '.') THEN rtrim(rtrim(value::VARCHAR, '0'), '.') ELSE value::VARCHAR END;

-- A DECIMAL(28,10) as a whole number of units of its tenth decimal.
CREATE OR REPLACE MACRO in_last_decimals(value) AS
    (value::DECIMAL(28, 10) * 10000000000)::HUGEINT;

-- The remainder of `value` after whole blocks; both have 10 decimals, value is at least 0, block above 0.
CREATE OR REPLACE MACRO part_of_block(value, block) AS
    CASE
        WHEN value < 100000000 AND block < 100000000
            THEN (value::DECIMAL(18, 10) % block::DECIMAL(18, 10))::DECIMAL(28, 10)
        ELSE value % block
    END;

-- Half a block, cut to 10 decimals.
CREATE OR REPLACE MACRO half_of_block(block) AS
    ((block - part_of_block(block, 0.0000000002::DECIMAL(28, 10))) * 0.5)::DECIMAL(28, 10);

-- The amount to add to a quantity before it is cut to whole blocks, so that the cut rounds by `rule`: up, down, nearest
-- (ties up) or none. A block less one unit of its last decimal lifts every partial block into the next; half a block lifts
-- those of at least half.
CREATE OR REPLACE MACRO lift_to_block(block, half_block, rule) AS
    CASE rule WHEN 'up' THEN block - 0.0000000001 WHEN 'nearest' THEN half_block ELSE 0 END::DECIMAL(28, 10);

-- `quantity` in whole blocks, by the rule whose lift_to_block is `lift`; the whole quantity where block is null.
-- Null: too large.
CREATE OR REPLACE MACRO units_counted(quantity, block, lift) AS
    CASE
        WHEN block IS NULL THEN quantity
        ELSE try_cast(quantity + lift - part_of_block(quantity + lift, block) AS DECIMAL(28, 10))
    END;

-- value / block with at most 10 decimals, cut (exact whenever value is a multiple of block).
CREATE OR REPLACE MACRO count_of_blocks(value, block) AS
    CASE
        WHEN block = 1 THEN value::DECIMAL(28, 10)
        ELSE (
            (in_last_decimals(value) // in_last_decimals(block))::DECIMAL(28, 0)
            + ((in_last_decimals(value) % in_last_decimals(block)) * 10000000000 // in_last_decimals(block))
                ::DECIMAL(28, 0) * 0.0000000001::DECIMAL(10, 10)
        )::DECIMAL(28, 10)
    END;

-- 1 / block with 10 decimals, cut.
CREATE OR REPLACE MACRO inverse_of_block(block) AS
    CASE
        WHEN block = 1 THEN 1::DECIMAL(28, 10)
        ELSE try_cast(
            (100000000000000000000::HUGEINT // in_last_decimals(block))::DECIMAL(28, 0) * 0.0000000001::DECIMAL(10, 10)
            AS DECIMAL(28, 10)
        )
    END;

-- The price of one unit at `rate` per block, if 10 decimals hold it; otherwise null. `inverse` is
-- inverse_of_block(block): the product with it, rounded to 10 decimals, is the quotient whenever multiplying back
-- gives the rate.
CREATE OR REPLACE MACRO exact_unit_rate(rate, block, inverse) AS
    CASE
        WHEN block = 1 THEN rate::DECIMAL(28, 10)
        WHEN try((rate * inverse)::DECIMAL(28, 10) * block) = rate THEN (rate * inverse)::DECIMAL(28, 10)
    END;

-- value x rate / block, cut after 20 decimals: the product of the whole blocks, plus the price of the partial block.
-- The part cut off is per_block_remainder / block units of the 20th decimal, so the two together are exact.
-- A product past 38 digits raises; wrap the use in TRY.
CREATE OR REPLACE MACRO per_block_amount(value, block, rate) AS
    ((in_last_decimals(value) // in_last_decimals(block))::DECIMAL(28, 0) * rate::DECIMAL(28, 10))::DECIMAL(38, 20)
    + CASE
        WHEN part_of_block(value, block) = 0 THEN 0::DECIMAL(38, 20)
        ELSE (
            (in_last_decimals(value % block) * in_last_decimals(rate) // in_last_decimals(block))::DECIMAL(28, 0)
            * 0.0000000001::DECIMAL(10, 10)
            + (
                (in_last_decimals(value % block) * in_last_decimals(rate) % in_last_decimals(block)) * 10000000000
                // in_last_decimals(block)
            )::DECIMAL(18, 0) * 0.00000000000000000001::DECIMAL(20, 20)
        )::DECIMAL(38, 20)
    END;
CREATE OR REPLACE MACRO per_block_remainder(value, block, rate) AS
    CASE
        WHEN part_of_block(value, block) = 0 THEN 0::HUGEINT
        ELSE (in_last_decimals(value % block) * in_last_decimals(rate) % in_last_decimals(block)) * 10000000000
            % in_last_decimals(block)
    END;

-- A DECIMAL(38,20) rounded half up to 10 decimals; null if that is too large. The cast goes through 38 digits, because
-- DuckDB divides twice where a cast loses digits on both sides.
CREATE OR REPLACE MACRO in_ten_decimals(value) AS try_cast(value::DECIMAL(38, 10) AS DECIMAL(28, 10));

-- Whether a value from 0 to 99,999,999 has at most four decimals.
CREATE OR REPLACE MACRO has_four_decimals(value) AS value::DECIMAL(18, 10)::DECIMAL(12, 4) = value;

-- Units as blocks: `blocks_per_unit` where 10 decimals hold it, otherwise cut after 10. Null: too large.
CREATE OR REPLACE MACRO blocks_of_units(units, blocks_per_unit, block) AS
    CASE
        WHEN blocks_per_unit = 1 THEN units
        WHEN blocks_per_unit IS NULL THEN try(count_of_blocks(units, block))
        WHEN units < 99999999 AND blocks_per_unit < 99 AND has_four_decimals(units) AND has_four_decimals(blocks_per_unit)
            THEN units::DECIMAL(18, 10)::DECIMAL(12, 4) * blocks_per_unit::DECIMAL(18, 10)::DECIMAL(6, 4)
        ELSE in_ten_decimals(try(units * blocks_per_unit))
    END::DECIMAL(28, 10);

-- The price of units, cut after 20 decimals, and the part cut off, in units of the 20th decimal over `common_block`.
-- unit_price is null if 10 decimals do not hold it; then the price is `rate` per `price_block`. Null: too large.
CREATE OR REPLACE MACRO product_of_units(units, unit_price, price_block, rate) AS
    CASE
        WHEN unit_price IS NOT NULL THEN try((units * unit_price)::DECIMAL(38, 20))
        ELSE try(per_block_amount(units, price_block, rate))
    END;
CREATE OR REPLACE MACRO remainder_of_units(units, unit_price, price_block, rate, common_block) AS
    CASE
        WHEN unit_price IS NOT NULL THEN 0::HUGEINT
        ELSE try(per_block_remainder(units, price_block, rate) * (common_block // in_last_decimals(price_block)))
    END;

-- The whole units of the 20th decimal in `tail`, a number of parts of which `common_block` make one unit.
CREATE OR REPLACE MACRO whole_last_decimals(tail, common_block) AS
    (tail // common_block)::DECIMAL(18, 0) * 0.00000000000000000001::DECIMAL(20, 20);

-- One unit in decimal `scale` (0 to 20), 0.01 for 2; null for other scales.
CREATE OR REPLACE MACRO unit_of_scale(scale) AS
    ([
        1, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001, 0.0000001, 0.00000001, 0.000000001, 0.0000000001,
        0.00000000001, 0.000000000001, 0.0000000000001, 0.00000000000001, 0.000000000000001, 0.0000000000000001,
        0.00000000000000001, 0.000000000000000001, 0.0000000000000000001, 0.00000000000000000001
    ]::DECIMAL(38, 20)[])[scale + 1];

-- The unit that a rounding keeps multiples of: one in its last decimal, or five (`half_up_fives`); null for other scales.
CREATE OR REPLACE MACRO unit_of_rounding(rounding, scale) AS
    (unit_of_scale(scale) * CASE WHEN ends_with(rounding, '_fives') THEN 5 ELSE 1 END)::DECIMAL(38, 20);

-- `value` cut to a multiple of `unit`, toward zero.
CREATE OR REPLACE MACRO cut_to_unit(value, unit) AS
    value - value % unit;

-- `value`, not negative, rounded to a multiple of `unit`, of which `half` is the half; `has_tail`: the exact
-- value has more decimals than `value`.
--     half_up    ties up           half_even  ties to the even neighbour
--     up         to the next       down       to the last
-- Other words may follow: `up_slices` rounds a single value alike.
-- A result past 38 digits raises; wrap the use in TRY.
CREATE OR REPLACE MACRO rounded_to_unit(value, has_tail, unit, half, rounding) AS
    CASE
        WHEN starts_with(rounding, 'half_even') AND NOT has_tail AND (value + half) % (unit + unit) = unit THEN value - half
        ELSE cut_to_unit(
            value + CASE
                WHEN starts_with(rounding, 'down') THEN 0
                WHEN starts_with(rounding, 'up') THEN unit - CASE WHEN has_tail THEN 0 ELSE 0.00000000000000000001::DECIMAL(20, 20) END
                ELSE half
            END,
            unit
        )
    END;
