-- The text of one CSV cell (RFC 4180), by kind of value. A missing value is an empty cell, an empty text is "".
-- Cells are joined with a comma or a semicolon; a text that holds either is quoted, so that both forms share the macros.

-- Text. One apostrophe goes in front of a text that a spreadsheet could run: one that begins with = + - @, a tab, CR
-- or LF, or a full-width = + - @, or with apostrophes before one of these. So the guard can be undone without a doubt:
-- a cell of apostrophes and then one of these characters loses its first apostrophe, and no other cell has one to lose.
CREATE OR REPLACE MACRO csv_guarded(value) AS
    CASE WHEN regexp_matches(value, '^''*[=+@\t\r\n＝＋－＠-]') THEN '''' || value ELSE value END;
CREATE OR REPLACE MACRO csv_text(value) AS
    CASE
        WHEN value IS NULL THEN ''
        WHEN regexp_matches(value, '[",;\r\n]|^$|^ | $') THEN '"' || replace(csv_guarded(value), '"', '""') || '"'
        ELSE csv_guarded(value)
    END;

-- An amount of money: two decimals, and more only where the value has them (150 is 150.00, 0.1234 stays).
CREATE OR REPLACE MACRO csv_amount(value) AS
    CASE
        WHEN value IS NULL THEN ''
        WHEN value % 0.01 = 0 THEN value::DECIMAL(38, 2)::VARCHAR
        ELSE rtrim(value::VARCHAR, '0')
    END;

-- Any other decimal: no superfluous zeros (353.0000000000 is 353).
CREATE OR REPLACE MACRO csv_number(value) AS
    CASE WHEN value IS NULL THEN '' ELSE plain_text(value) END;

-- Whole numbers, true and false, dates (2026-10-31).
CREATE OR REPLACE MACRO csv_plain(value) AS coalesce(value::VARCHAR, '');

-- A time in UTC (2026-10-31T23:59:59Z).
CREATE OR REPLACE MACRO csv_time(value) AS coalesce(strftime(value, '%Y-%m-%dT%H:%M:%SZ'), '');
