-- One row per FOCUS charge of an entry that is not yet booked: the charges of what books_changed_focus has.
-- kept as: scratch view
-- Unit prices stay what they were; quantities and costs of a reversal have the other sign. A batch has its number behind that of the
-- invoice: with those of all batches the sum of BilledCost is what the invoice asks.
WITH reversed AS (
    SELECT kept.* EXCLUDE (focus_key)
    FROM books_posted_focus AS kept
    SEMI JOIN books_changed_focus USING (focus_key)
),
entered AS (
    SELECT present.* EXCLUDE (focus_key)
    FROM books_present_focus AS present
    SEMI JOIN books_changed_focus USING (focus_key)
),
entries AS (
    SELECT
        reversed.* REPLACE (
            -reversed."BilledCost" AS "BilledCost",
            -reversed."ConsumedQuantity" AS "ConsumedQuantity",
            -reversed."ContractedCost" AS "ContractedCost",
            -reversed."EffectiveCost" AS "EffectiveCost",
            -reversed."ListCost" AS "ListCost",
            -reversed."PricingCurrencyEffectiveCost" AS "PricingCurrencyEffectiveCost",
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
