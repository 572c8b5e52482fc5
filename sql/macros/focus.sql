-- Text in ASCII, as FOCUS wants names (its StringHandling): accents go, any other foreign character becomes a question mark.
CREATE OR REPLACE MACRO ascii_text(value) AS
    regexp_replace(strip_accents(replace(value, 'ß', 'ss')), '[^\x00-\x7F]', '?', 'g');
