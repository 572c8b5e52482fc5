-- Where a quantity stands among the tiers: the bounds say here, and nowhere else, which side they include.
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
