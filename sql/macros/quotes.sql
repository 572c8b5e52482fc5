-- Recognition of `quote --batch` records in plain form: fields in the documented order, as programs usually write them.

-- A number that DECIMAL(28,10) holds, as text.
CREATE OR REPLACE MACRO plain_number() AS '"-?[0-9]{1,18}(?:\.[0-9]{1,10})?"';

-- A field `name` whose value `pattern` matches.
CREATE OR REPLACE MACRO plain_field(name, pattern) AS '"' || name || '" *: *' || pattern;
CREATE OR REPLACE MACRO plain_optional_field(name, pattern) AS '(?: *, *' || plain_field(name, pattern) || ')?';

CREATE OR REPLACE MACRO plain_tier() AS
    '\{ *' || plain_field('minimum', plain_number())
    || ' *, *' || plain_field('maximum', '(?:null|' || plain_number() || ')')
    || ' *, *' || plain_field('rate', plain_number())
    || plain_optional_field('flat', plain_number())
    || plain_optional_field('block', plain_number())
    || ' *\}';

CREATE OR REPLACE MACRO plain_attribute() AS
    plain_field('[a-z_]+', '(?:"[a-z0-9_]*"|true|false|0|[1-9][0-9]?)');

-- Whether a line is a record in plain words: the fields in their order, each once, in ASCII without an escape. An id is
-- a whole number or a text. Whether a reading's attributes are known and sound is not looked at.
CREATE OR REPLACE MACRO is_plain_record(line) AS
    regexp_full_match(
        line,
        '\{ *' || plain_field('id', '(?:0|[1-9][0-9]{0,17}|"[ !#-\[\]-~]*")')
        || ' *, *' || plain_field('quantity', plain_number())
        || plain_optional_field('allowance', plain_number())
        || ' *, *' || plain_field('tiers', '\[ *' || plain_tier() || '(?: *, *' || plain_tier() || ')* *\]')
        || plain_optional_field(
            'reading', '\{ *(?:' || plain_attribute() || '(?: *, *' || plain_attribute() || ')*)? *\}'
        )
        || ' *\}[ \r\n]*'
    );
