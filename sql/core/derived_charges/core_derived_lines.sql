-- One row per derived charge: a line that is a percentage, a subtotal or a monthly minimum, with the lines around it.
-- `part` is its own part of the bill (reference_money_bases), null for a subtotal. `amount_before` is the sum of its account's lines
-- with a lower LineItemNumber, subtotals left out; `is_open_before`: not all of them are known. `measures_after` are the measures of
-- the lines that stand after it.
WITH derived AS (
    SELECT lines.*, sets.kind
    FROM core_lines AS lines
    INNER JOIN core_sets AS sets USING (set_no)
    WHERE sets.kind IN ('percentage', 'subtotal', 'minimum')
),
charges AS (
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, line_item_number, amount
    FROM core_lines
    UNION ALL
    -- before every line: charges precede the charges derived from them
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, 0, amount
    FROM core_unknown_charges
),
surroundings AS (
    SELECT
        derived.network_id,
        derived.mailbox_id,
        derived.reporting_month,
        derived.account_report,
        derived.measure_field,
        sum(others.amount) FILTER (WHERE others.line_item_number < derived.line_item_number) AS amount_before,
        bool_or(others.amount IS NULL) AS is_open_before,
        list_distinct(list(others.measure_field) FILTER (WHERE others.line_item_number > derived.line_item_number)) AS measures_after
    FROM derived
    INNER JOIN charges AS others
        ON others.network_id = derived.network_id
        AND others.mailbox_id = derived.mailbox_id
        AND others.reporting_month = derived.reporting_month
    LEFT JOIN reference_measures AS measures ON measures.measure_field = others.measure_field
    WHERE coalesce(measures.kind, 'count') <> 'subtotal'
    GROUP BY ALL
)
SELECT
    derived.network_id,
    derived.mailbox_id,
    derived.reporting_month,
    derived.account_report,
    derived.measure_field,
    derived.terms_no,
    derived.set_no,
    derived.kind,
    charge_part(derived.kind, derived.measure_field, NULL) AS part,
    derived.actual,
    derived.amount,
    coalesce(around.amount_before, 0)::DECIMAL(38, 10) AS amount_before,
    coalesce(around.is_open_before, false) AS is_open_before,
    around.measures_after
FROM derived
LEFT JOIN surroundings AS around USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
