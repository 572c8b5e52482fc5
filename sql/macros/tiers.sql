-- The tier of a quantity. These macros alone define the side that a bound includes.
-- `upper_bound` null is open. An included upper bound belongs to the tier that it ends, an excluded one to the next.

-- Whether `quantity` (above 0) has come as far as the tier that begins at `lower_bound`, the upper bound of the tier
-- before.
CREATE OR REPLACE MACRO is_tier_reached(quantity, lower_bound, is_inclusive) AS
    quantity > lower_bound OR (NOT is_inclusive AND quantity = lower_bound);

-- Whether `quantity` goes no further than the tier that ends at `upper_bound`.
CREATE OR REPLACE MACRO is_tier_kept(quantity, upper_bound, is_inclusive) AS
    upper_bound IS NULL OR quantity < upper_bound OR (is_inclusive AND quantity = upper_bound);

-- Whether the Maximum of a last tier states no bound: none, 0 or below, the largest int, or nines alone, six or more, which is how
-- "no end" is typed where a form wants a number. Before another tier such a Maximum is a bound like any other.
CREATE OR REPLACE MACRO is_open_end(maximum) AS
    coalesce(maximum, 0) <= 0 OR maximum = 2147483647 OR regexp_full_match(maximum::VARCHAR, '9{6,}');

-- What an allowance leaves of a quantity; null of null (which greatest(quantity - allowance, 0) would call 0).
CREATE OR REPLACE MACRO less_allowance(quantity, allowance) AS
    quantity - least(quantity, allowance);

-- What of a case's quantity lies in a tier that takes part in its price; the whole where one tier prices the whole.
CREATE OR REPLACE MACRO slice_of_tier(standing, is_whole, rated_quantity, ladder_quantity, slice_start, upper_bound) AS
    CASE
        WHEN standing <> 'priced' THEN 0
        WHEN is_whole THEN rated_quantity
        WHEN upper_bound < ladder_quantity THEN upper_bound - slice_start
        ELSE ladder_quantity - slice_start
    END::DECIMAL(28, 10);

-- The block that a schedule states; 0 of Block 1, which states as little as Block 0.
CREATE OR REPLACE MACRO effective_block(block) AS CASE WHEN block = 1 THEN 0 ELSE block END;

-- The numbers of one schedule as text, for comparison. Blocks 0 and 1, Minimum 0, and a Maximum that is no bound (is_open_end) are written
-- alike.
CREATE OR REPLACE MACRO terms_text(allowance, minimum, maximum, block, rate) AS
    concat_ws(
        '|', plain_text(coalesce(allowance, 0)), coalesce(minimum, 0),
        CASE WHEN is_open_end(maximum) THEN 0 ELSE maximum END, plain_text(coalesce(effective_block(block), 0)), plain_text(rate)
    );

-- The numbers of one schedule in words: `Tier1 rate 0.05, block 10, from 0 to 100`.
CREATE OR REPLACE MACRO terms_words(level, allowance, minimum, maximum, block, rate) AS
    concat_ws(
        ' ', level, 'rate', grouped_text(rate),
        CASE WHEN block <> 0 THEN 'block ' || grouped_text(block) END,
        CASE WHEN allowance <> 0 THEN 'allowance ' || grouped_text(allowance) END,
        CASE WHEN coalesce(minimum, 0) <> 0 THEN 'from ' || grouped_text(minimum) END,
        CASE WHEN NOT is_open_end(maximum) THEN 'to ' || grouped_text(maximum) END
    );

-- Whether a number that a line shows is that of its terms; a number that either of them leaves out states nothing.
CREATE OR REPLACE MACRO is_same_number(shown, stated) AS
    coalesce(shown = stated, true);

-- Whether the bounds that a line shows are those of its terms.
CREATE OR REPLACE MACRO is_same_bounds(shown_minimum, shown_maximum, minimum, maximum) AS
    is_same_number(shown_minimum, minimum)
    AND (
        is_same_number(shown_maximum, maximum)
        OR (is_open_end(shown_maximum) AND is_open_end(maximum))
    );

-- The place of a level within its family: 2 of `Tier2`, 0 of a level without number.
CREATE OR REPLACE MACRO level_place(level) AS
    CASE WHEN level SIMILAR TO '(Tier|Level)[0-9]+' THEN ltrim(level, 'TierLvl')::INTEGER ELSE 0 END;
