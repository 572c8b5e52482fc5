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

-- The account report that a row names, in other letters and spaces too; null: no account report.
CREATE OR REPLACE MACRO usage_report(word) AS
    list_filter(
        [
            'FixedRate', 'Statistics', 'TrafficAll', 'TrafficIntraNetwork', 'TrafficInterECGrid', 'TrafficOffNetwork', 'TrafficSpecial',
            'TrafficKCInterchangeTiered'
        ],
        lambda name: lower(name) = regexp_replace(lower(word), '[^a-z0-9]', '', 'g')
    )[1];

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

-- A quantity of at least 0 rounded half up to a whole one.
CREATE OR REPLACE MACRO whole_units_nearest(quantity) AS
    try_cast(floor(quantity::DECIMAL(28, 10) + 0.5) AS DECIMAL(28, 10));

-- Rounding that a quantity may have: `absolute` of reference_usage_tolerances; where KCs are measured in at most two decimals, half of the
-- second.
CREATE OR REPLACE MACRO meter_tolerance(actual, absolute) AS
    CASE
        WHEN absolute::DECIMAL(18, 6) > 0 AND (actual::DECIMAL(28, 10) * 100) % 1 = 0 THEN greatest(absolute::DECIMAL(18, 6), 0.005)
        ELSE coalesce(absolute::DECIMAL(18, 6), 0)
    END;
