-- Statistics of usage: names of their columns, directions and states.

-- A column's name as reference_usage_columns has it: small letters and digits, without escapes, underscores and the mark of a text
-- column; plural and synonyms of in and out as the singular, in and out.
CREATE OR REPLACE MACRO usage_name(column_name) AS
    regexp_replace(
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(lower(column_name), '_x[0-9a-f]{4}_| \(text\)$|[^a-z0-9]', '', 'g'),
                    '(parcel|interchange|kc)s(in|out|received|sent|kc|bytes|$)', '\1\2', 'g'
                ),
                'kilocharacters?', 'kc', 'g'
            ),
            'received|inbound', 'in', 'g'
        ),
        'sent|outbound', 'out', 'g'
    );

-- in, out or null: the direction that a row names, from the account's side (FROM is what the account sent).
CREATE OR REPLACE MACRO usage_direction(word) AS
    CASE
        WHEN lower(trim(word)) IN ('to', 'in', 'inbound', 'receive', 'received', 'r') THEN 'in'
        WHEN lower(trim(word)) IN ('from', 'out', 'outbound', 'send', 'sent', 's') THEN 'out'
    END;

-- What an interchange's state means for the bill (facts 9: E1403 duplicate, E4101 canceled, E4001 charge sender, E4002 charge receiver,
-- E4003 no charge): uncounted, free, sender, receiver or null.
CREATE OR REPLACE MACRO usage_state(status) AS
    CASE
        WHEN regexp_matches(status, '^\s*E?(1403|4101)\b') OR regexp_matches(lower(status), 'duplicate|cancel') THEN 'uncounted'
        WHEN regexp_matches(status, '^\s*E?4003\b') OR regexp_matches(lower(status), 'no ?charge') THEN 'free'
        WHEN regexp_matches(status, '^\s*E?4001\b') OR regexp_matches(lower(status), 'charge ?sender') THEN 'sender'
        WHEN regexp_matches(status, '^\s*E?4002\b') OR regexp_matches(lower(status), 'charge ?receiver') THEN 'receiver'
    END;

-- A quantity of at least 0 rounded up to a whole one.
CREATE OR REPLACE MACRO whole_units_up(quantity) AS
    try_cast(ceil(quantity::DECIMAL(28, 10)) AS DECIMAL(28, 10));
