-- The text of one CSV cell (RFC 4180), by type of value. A missing value is an empty cell, an empty text is "".
-- The separator is a comma or a semicolon; a text that contains either is quoted, so the macros serve both.

-- Text. A spreadsheet runs a cell that begins with = + - @ or their full-width forms, and its separator decides where cells
-- begin. So one apostrophe is put before each of these characters (and before apostrophes in front of it) at the beginning
-- of the text and after a comma, semicolon, tab, vertical bar, quote or line end, and before a tab or a line end at the
-- beginning. csv_unguarded removes one apostrophe from each of these places.
CREATE OR REPLACE MACRO csv_guarded_begin(value) AS
    CASE WHEN regexp_matches(value, '^''*[\t\r\n]') THEN '''' || value ELSE value END;
CREATE OR REPLACE MACRO csv_guarded(value) AS
    csv_guarded_begin(regexp_replace(value, '(^|[,;|\t\r\n"])(''*[=+@＝＋－＠-])', '\1''\2', 'g'));
CREATE OR REPLACE MACRO csv_unguarded_begin(value) AS
    CASE WHEN regexp_matches(value, '^''''*[\t\r\n]') THEN substr(value, 2) ELSE value END;
CREATE OR REPLACE MACRO csv_unguarded(value) AS
    regexp_replace(csv_unguarded_begin(value), '(^|[,;|\t\r\n"])''(''*[=+@＝＋－＠-])', '\1\2', 'g');
-- The same for files of the first guard, which checked only the beginning of a text.
CREATE OR REPLACE MACRO csv_unguarded_first(value) AS
    regexp_replace(value, '^''(''*[=+@\t\r\n＝＋－＠-])', '\1');

-- For a spreadsheet that converts cells to numbers and dates, quoted or not: an apostrophe before a text that matches
-- `pattern` as a whole, in lower case, apostrophes in front allowed. csv_unkept removes it.
CREATE OR REPLACE MACRO csv_kept(value, pattern) AS
    CASE WHEN regexp_full_match(lower(value), pattern) THEN '''' || value ELSE value END;
CREATE OR REPLACE MACRO csv_unkept(value, pattern) AS
    CASE
        WHEN starts_with(value, '''') AND regexp_full_match(lower(substr(value, 2)), pattern) THEN substr(value, 2)
        ELSE value
    END;

-- First characters of a text in quotes: none (contained in every text), a space, or one that the guard checks. A text, not
-- a list for IN, for which DuckDB would plan a join per column.
CREATE OR REPLACE MACRO csv_beginnings() AS chr(0) || chr(9) || chr(10) || chr(13) || ' ''+-=@＋－＝＠';
CREATE OR REPLACE MACRO csv_text(value) AS
    CASE
        WHEN value IS NULL THEN ''
        -- a separator, quote or line end inside; an empty text, a space or a guarded character first; a space last
        WHEN contains(value, '"') OR contains(value, ',') OR contains(value, ';')
            OR contains(value, chr(9)) OR contains(value, '|') OR contains(value, chr(10)) OR contains(value, chr(13))
            OR (ascii(value) NOT BETWEEN 65 AND 65290 AND contains(csv_beginnings(), left(value, 1)))
            OR suffix(value, ' ')
            THEN '"' || replace(csv_guarded(value), '"', '""') || '"'
        -- a text that begins like a number is in quotes, so that a spreadsheet can import it as text (00123)
        WHEN ascii(value) BETWEEN 46 AND 57 THEN '"' || value || '"'
        ELSE value
    END;

-- A decimal of at most ten places, with all ten.
CREATE OR REPLACE MACRO ten_places(value) AS value::DECIMAL(38, 10)::VARCHAR;

-- Small decimals are converted on 64 bits, where DuckDB cuts and writes them many times as fast, and with the fewest
-- places that hold them, because rtrim is slow. Small is below 99999999, so no rounding exceeds the type.

-- An amount of money: two decimals, and more only where the value has them (150 is 150.00, 0.1234 stays).
CREATE OR REPLACE MACRO csv_small_amount(value) AS
    CASE
        WHEN value::DECIMAL(18, 2)::DECIMAL(18, 10) = value THEN value::DECIMAL(18, 2)::VARCHAR
        WHEN value::DECIMAL(18, 3)::DECIMAL(18, 10) = value THEN value::DECIMAL(18, 3)::VARCHAR
        WHEN value::DECIMAL(18, 4)::DECIMAL(18, 10) = value THEN value::DECIMAL(18, 4)::VARCHAR
        ELSE rtrim(value::VARCHAR, '0')
    END;
CREATE OR REPLACE MACRO csv_amount(value) AS
    CASE
        WHEN value IS NULL THEN ''
        WHEN abs(value) < 99999999 THEN csv_small_amount(value::DECIMAL(18, 10))
        WHEN suffix(ten_places(value), '00000000') THEN left(ten_places(value), strlen(ten_places(value)) - 8)
        ELSE rtrim(ten_places(value), '0')
    END;

-- Any other decimal: no superfluous zeros (353.0000000000 is 353).
CREATE OR REPLACE MACRO csv_small_number(value) AS
    CASE
        WHEN value::DECIMAL(18, 0)::DECIMAL(18, 10) = value THEN value::DECIMAL(18, 0)::VARCHAR
        WHEN value::DECIMAL(18, 1)::DECIMAL(18, 10) = value THEN value::DECIMAL(18, 1)::VARCHAR
        WHEN value::DECIMAL(18, 2)::DECIMAL(18, 10) = value THEN value::DECIMAL(18, 2)::VARCHAR
        WHEN value::DECIMAL(18, 3)::DECIMAL(18, 10) = value THEN value::DECIMAL(18, 3)::VARCHAR
        WHEN value::DECIMAL(18, 4)::DECIMAL(18, 10) = value THEN value::DECIMAL(18, 4)::VARCHAR
        ELSE rtrim(value::VARCHAR, '0')
    END;
CREATE OR REPLACE MACRO csv_number(value) AS
    CASE
        WHEN value IS NULL THEN ''
        WHEN abs(value) < 99999999 THEN csv_small_number(value::DECIMAL(18, 10))
        WHEN suffix(ten_places(value), '.0000000000') THEN left(ten_places(value), strlen(ten_places(value)) - 11)
        ELSE rtrim(ten_places(value), '0')
    END;

-- A decimal of at most ten places with nine, as FOCUS has them.
CREATE OR REPLACE MACRO csv_nine_places(value) AS
    CASE
        WHEN abs(value) < 99999999 THEN value::DECIMAL(18, 10)::DECIMAL(18, 9)::DECIMAL(38, 9)
        ELSE value::DECIMAL(38, 9)
    END;

-- Whole numbers, true and false, dates (2026-10-31).
CREATE OR REPLACE MACRO csv_plain(value) AS coalesce(value::VARCHAR, '');

-- A time in UTC (2026-10-31T23:59:59Z).
CREATE OR REPLACE MACRO csv_time(value) AS coalesce(replace(value::VARCHAR, ' ', 'T') || 'Z', '');
