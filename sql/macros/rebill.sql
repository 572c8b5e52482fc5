-- What the bills of your own clients use: allocation.csv, ladders, and cents divided by largest remainder.

-- The charge of allocation.csv: minimum, percentage, credit, shared_tiers, other, or all where none is named. A measure stands for its
-- charge, and `contract_minimum`, `percentages` and the like for theirs.
CREATE OR REPLACE MACRO allocation_charge(charge) AS
    CASE replace(lower(trim(coalesce(charge, ''))), ' ', '_')
        WHEN '' THEN 'all'
        WHEN 'all' THEN 'all'
        WHEN 'minimum' THEN 'minimum'
        WHEN 'contract_minimum' THEN 'minimum'
        WHEN 'monthlyminimum' THEN 'minimum'
        WHEN 'percentage' THEN 'percentage'
        WHEN 'percentages' THEN 'percentage'
        WHEN 'creditpercentage' THEN 'percentage'
        WHEN 'debitpercentage' THEN 'percentage'
        WHEN 'credit' THEN 'credit'
        WHEN 'credits' THEN 'credit'
        WHEN 'shared_tier' THEN 'shared_tiers'
        WHEN 'shared_tiers' THEN 'shared_tiers'
        WHEN 'other' THEN 'other'
    END;

-- The name of a file in data/reference/ladders, without its ending.
CREATE OR REPLACE MACRO ladder_stem(name) AS regexp_replace(trim(name), '\.csv$', '');

-- An amount as whole cents, cut.
CREATE OR REPLACE MACRO in_cents(amount) AS trunc(amount::DECIMAL(28, 10) * 100)::HUGEINT;

-- `cents` x part / whole, cut to whole cents, and what the cut left over, in parts of a cent over `whole`.
CREATE OR REPLACE MACRO share_of_cents(cents, part, whole) AS (cents::HUGEINT * part::HUGEINT) // whole::HUGEINT;
CREATE OR REPLACE MACRO rest_of_cents(cents, part, whole) AS (cents::HUGEINT * part::HUGEINT) % whole::HUGEINT;

-- part / whole in percent with two decimals, half up, away from zero; null for a whole of 0.
CREATE OR REPLACE MACRO percent_of(part, whole) AS
    CASE
        WHEN whole <> 0
            THEN CASE WHEN (part < 0) <> (whole < 0) THEN -1 ELSE 1 END
                * ((abs(in_last_decimals(part)) * 20000 + abs(in_last_decimals(whole))) // (abs(in_last_decimals(whole)) * 2))
                    ::DECIMAL(18, 0) * 0.01
    END::DECIMAL(18, 2);
