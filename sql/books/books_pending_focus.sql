-- One row per FOCUS charge of an entry that is not yet booked: the charges of the lines in books_pending_lines.
-- kept as: scratch view
-- Unit prices stay what they were; quantities and costs of a reversal have the other sign. No invoice that carries
-- them is known yet, so each batch has a provisional one of its own.
WITH reversed AS (
    SELECT focus.*
    FROM books_posted_focus AS focus
    SEMI JOIN books_removed_lines AS lines
        ON
            focus.network_id = lines.network_id
            AND focus.mailbox_id = lines.mailbox_id
            AND focus.reporting_month = lines.reporting_month
            AND focus."x_AccountReport" = lines.account_report
            AND focus."x_MeasureField" = lines.measure_field
),
entered AS (
    SELECT focus.*
    FROM out_focus AS focus
    SEMI JOIN books_added_lines AS lines
        ON
            focus.network_id = lines.network_id
            AND focus.mailbox_id = lines.mailbox_id
            AND focus.reporting_month = lines.reporting_month
            AND focus."x_AccountReport" = lines.account_report
            AND focus."x_MeasureField" = lines.measure_field
    WHERE focus.reporting_month = getvariable('month')::DATE
),
entries AS (
    SELECT
        reversed.* REPLACE (
            -reversed."BilledCost" AS "BilledCost",
            -reversed."ConsumedQuantity" AS "ConsumedQuantity",
            -reversed."ContractedCost" AS "ContractedCost",
            -reversed."EffectiveCost" AS "EffectiveCost",
            -reversed."ListCost" AS "ListCost",
            -reversed."PricingQuantity" AS "PricingQuantity",
            'Reversal: ' || reversed."ChargeDescription" AS "ChargeDescription"
        ),
        'reversal' AS "x_Entry"
    FROM reversed
    UNION ALL BY NAME
    SELECT
        entered.* REPLACE ('Re-entry: ' || entered."ChargeDescription" AS "ChargeDescription"),
        're-entry' AS "x_Entry"
    FROM entered
)
SELECT
    entries.* EXCLUDE ("x_Entry") REPLACE (
        'Correction' AS "ChargeClass",
        entries."InvoiceId" || '-C' || getvariable('correction') AS "InvoiceId"
    ),
    getvariable('correction')::INTEGER AS "x_Correction",
    entries."x_Entry"
FROM entries
