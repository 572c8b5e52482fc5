-- One row per key of an invoiced contract and month, and per copy or foreign line on an invoice: the invoice's line and ours.
--     matches         same quantity and amount              differs       another quantity or amount
--     not_on_invoice  our line, on no invoice of its contract             not_asked     on the invoice, and we have no line
--     invoice_only    a line without a Schedule, for which no key exists (a set-up fee, a courtesy credit)
--     copy            the same line once more               other_contract  a line of an account that another contract bills, and did
--     unread          a value on the invoice that could not be read keeps the two from being compared
--     unassigned      an imported line that names no account or measure; in_group  our line, which such a line may bill
-- A line that names neither, beside lines that name both, is unassigned if it bills the lines that no other line does (inferred: together
-- such lines bill exactly their sum, or one of them bills two or more of them within a tenth); else it is invoice_only.
-- Of an imported line the amount is compared alone: a file may count in blocks, in thousands or not at all.
-- A key may have several lines there, one a tier or on several invoices: together they bill it, under the first one's number, a credit
-- note's last. Lines that are alike are no copies as far as together they are what our line bills (of three fees of 15.00, the third,
-- where ours is 30.00); nor where they bill nothing, or name no key, so that nothing tells a second fee from a copy.
WITH invoiced AS (
    SELECT DISTINCT reporting_month, contract_id
    FROM core_invoice_lines
),
months AS (
    SELECT DISTINCT reporting_month FROM core_invoice_lines
),
-- a line of an account or measure that could not be read may be any of ours
unknown AS (
    SELECT DISTINCT reporting_month, contract_id FROM core_invoice_lines WHERE is_key_unread
),
ours AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        lines.price_list_id,
        lines.quantity_billed,
        lines.amount,
        coalesce(former.contract_id, accounts.contract_id) AS contract_id
    FROM core_lines AS lines
    SEMI JOIN months USING (reporting_month)
    INNER JOIN core_accounts AS accounts USING (network_id, mailbox_id)
    LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
    SEMI JOIN invoiced
        ON invoiced.reporting_month = lines.reporting_month
        AND invoiced.contract_id = coalesce(former.contract_id, accounts.contract_id)
),
may_be_rests AS (
    SELECT
        reporting_month, contract_id, source, invoice_id, line_item_number, amount,
        sum(amount) OVER (PARTITION BY reporting_month, contract_id) AS sum_amount
    FROM core_invoice_lines
    -- an imported line without an account is unassigned if it has a measure; other lines have no kind
    WHERE line_kind = 'item' AND network_id IS NULL AND NOT is_unassigned AND amount IS NOT NULL
),
-- the lines of a contract that no line of its invoices names or may bill
unbilled AS (
    SELECT ours.reporting_month, ours.contract_id, count(*) AS lines, sum(ours.amount) AS amount
    FROM ours
    SEMI JOIN may_be_rests USING (reporting_month, contract_id)
    ANTI JOIN core_invoice_lines AS named
        ON named.contract_id = ours.contract_id
        AND named.reporting_month = ours.reporting_month
        AND named.network_id = ours.network_id
        AND named.mailbox_id = ours.mailbox_id
        AND named.account_report = ours.account_report
        AND named.measure_field = ours.measure_field
    WHERE ours.amount <> 0 AND NOT EXISTS (
        FROM core_invoice_lines AS lines
        WHERE lines.is_unassigned
            AND lines.contract_id = ours.contract_id
            AND lines.reporting_month = ours.reporting_month
            AND coalesce(lines.account_report = ours.account_report, true)
            AND coalesce(lines.measure_field = ours.measure_field, true)
    )
    GROUP BY ours.reporting_month, ours.contract_id
),
rests AS (
    SELECT
        lines.reporting_month, lines.contract_id, lines.source, lines.invoice_id, lines.line_item_number, true AS is_rest
    FROM may_be_rests AS lines
    INNER JOIN unbilled USING (reporting_month, contract_id)
    WHERE unbilled.amount <> 0
    QUALIFY
        lines.sum_amount = unbilled.amount
        OR (
            row_number() OVER (
                PARTITION BY lines.reporting_month, lines.contract_id
                ORDER BY abs(lines.amount - unbilled.amount), lines.source, lines.invoice_id, lines.line_item_number
            ) = 1
            AND (
                lines.amount = unbilled.amount
                OR (unbilled.lines > 1 AND 10 * abs(lines.amount - unbilled.amount) <= abs(unbilled.amount))
            )
        )
),
-- what a line without an account may bill; without a measure, any line of the contract
unassigned AS (
    SELECT reporting_month, contract_id, account_report, measure_field FROM core_invoice_lines WHERE is_unassigned
    UNION
    SELECT reporting_month, contract_id, NULL, NULL FROM rests
),
attributed AS (
    SELECT
        invoices.* REPLACE (invoices.is_unassigned OR coalesce(rests.is_rest, false) AS is_unassigned),
        coalesce(former.contract_id, accounts.contract_id) AS billing_contract_id,
        row_number() OVER key AS place,
        sum(invoices.amount) OVER key AS amount_so_far
    FROM core_invoice_lines AS invoices
    LEFT JOIN rests USING (reporting_month, contract_id, source, invoice_id, line_item_number)
    LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
    LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
    WINDOW key AS (
        PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field, invoices.contract_id
        ORDER BY invoices.copy, invoices.invoice_id, invoices.line_item_number
    )
),
alike AS (
    -- keys whose first lines, copies included, are what our line bills: how many they are
    SELECT
        attributed.network_id, attributed.mailbox_id, attributed.reporting_month, attributed.account_report,
        attributed.measure_field, attributed.contract_id, max(attributed.place) AS lines_due
    FROM attributed
    INNER JOIN ours USING (network_id, mailbox_id, reporting_month, account_report, measure_field, contract_id)
    WHERE attributed.amount_so_far = ours.amount
    GROUP BY ALL
),
theirs AS (
    SELECT
        * REPLACE (
            CASE
                WHEN account_report IS NULL OR measure_field IS NULL THEN 1
                WHEN EXISTS (
                    FROM alike
                    WHERE alike.network_id = attributed.network_id
                        AND alike.mailbox_id = attributed.mailbox_id
                        AND alike.reporting_month = attributed.reporting_month
                        AND alike.account_report = attributed.account_report
                        AND alike.measure_field = attributed.measure_field
                        AND alike.contract_id = attributed.contract_id
                        AND alike.lines_due >= attributed.place
                ) THEN 1
                ELSE copy
            END AS copy
        ),
        billing_contract_id IS DISTINCT FROM contract_id
        AND EXISTS (
            FROM core_invoice_lines AS own
            WHERE own.network_id = attributed.network_id
                AND own.mailbox_id = attributed.mailbox_id
                AND own.reporting_month = attributed.reporting_month
                AND own.account_report = attributed.account_report
                AND own.measure_field = attributed.measure_field
                AND own.contract_id = attributed.billing_contract_id
        ) AS is_stranger
    FROM attributed
),
paired AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        contract_id,
        arg_min(source, (coalesce(theirs.amount <= 0, false), invoice_id, line_item_number)) AS source,
        arg_min(price_list_id, (coalesce(theirs.amount <= 0, false), invoice_id, line_item_number)) AS price_list_id,
        arg_min(invoice_id, (coalesce(theirs.amount <= 0, false), invoice_id, line_item_number)) AS invoice_id,
        arg_min(invoice_number, (coalesce(theirs.amount <= 0, false), invoice_id, line_item_number)) AS invoice_number,
        -- never a sum of what could be read alone; a line that names no key stands alone, and needs no quantity
        try_cast(
            CASE
                WHEN NOT bool_or(theirs.is_unread) OR bool_and(theirs.account_report IS NULL AND theirs.measure_field IS NULL)
                    THEN sum(amount)
            END AS DECIMAL(28, 10)
        ) AS amount,
        try_cast(CASE WHEN NOT bool_or(theirs.is_unread) THEN sum(quantity_billed) END AS DECIMAL(28, 10)) AS quantity_billed,
        bool_or(theirs.is_unread) AS is_unread,
        bool_or(theirs.source = 'imported') AS is_imported,
        bool_and(theirs.account_report IS NULL AND theirs.measure_field IS NULL AND NOT theirs.is_key_unread) AS is_invoice_only,
        bool_or(theirs.is_unassigned) AS is_unassigned,
        arg_min(theirs.line_description, (coalesce(theirs.amount <= 0, false), invoice_id, line_item_number)) AS line_description,
        arg_min(theirs.line_kind, (coalesce(theirs.amount <= 0, false), invoice_id, line_item_number)) AS line_kind
    FROM theirs
    WHERE copy = 1 AND NOT is_stranger
    GROUP BY
        network_id, mailbox_id, reporting_month, account_report, measure_field, contract_id,
        -- a line that names no key stands alone
        CASE
            WHEN network_id IS NULL OR account_report IS NULL OR measure_field IS NULL
                THEN row(source, invoice_id, line_item_number)
        END
)
SELECT
    coalesce(ours.network_id, paired.network_id) AS network_id,
    coalesce(ours.mailbox_id, paired.mailbox_id) AS mailbox_id,
    coalesce(ours.reporting_month, paired.reporting_month) AS reporting_month,
    coalesce(ours.account_report, paired.account_report) AS account_report,
    coalesce(ours.measure_field, paired.measure_field) AS measure_field,
    coalesce(ours.price_list_id, paired.price_list_id) AS price_list_id,
    coalesce(paired.contract_id, ours.contract_id) AS contract_id,
    paired.source,
    paired.invoice_id,
    paired.invoice_number,
    ours.amount,
    ours.quantity_billed,
    paired.amount AS invoice_amount,
    paired.quantity_billed AS invoice_quantity_billed,
    NULL::INTEGER AS billing_contract_id,
    paired.line_description,
    paired.line_kind,
    CASE
        -- neither has a key, so neither is paired
        WHEN paired.is_unassigned THEN 'unassigned'
        WHEN paired.is_invoice_only THEN 'invoice_only'
        WHEN paired.invoice_id IS NULL AND unknown.contract_id IS NOT NULL THEN 'unread'
        WHEN paired.invoice_id IS NULL AND EXISTS (
            FROM unassigned
            WHERE unassigned.contract_id = ours.contract_id
                AND unassigned.reporting_month = ours.reporting_month
                AND coalesce(unassigned.account_report = ours.account_report, true)
                AND coalesce(unassigned.measure_field = ours.measure_field, true)
        ) THEN 'in_group'
        WHEN paired.invoice_id IS NULL THEN 'not_on_invoice'
        WHEN ours.network_id IS NULL THEN 'not_asked'
        WHEN paired.is_unread THEN 'unread'
        WHEN paired.amount IS NOT DISTINCT FROM ours.amount
            AND (paired.is_imported OR paired.quantity_billed IS NOT DISTINCT FROM ours.quantity_billed)
            THEN 'matches'
        ELSE 'differs'
    END AS status
FROM ours
FULL JOIN paired
    ON paired.network_id = ours.network_id
    AND paired.mailbox_id = ours.mailbox_id
    AND paired.reporting_month = ours.reporting_month
    AND paired.account_report = ours.account_report
    AND paired.measure_field = ours.measure_field
    AND paired.contract_id = ours.contract_id
LEFT JOIN unknown ON unknown.contract_id = ours.contract_id AND unknown.reporting_month = ours.reporting_month
UNION ALL
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    contract_id,
    source,
    invoice_id,
    invoice_number,
    NULL,
    NULL,
    amount,
    quantity_billed,
    billing_contract_id,
    line_description,
    line_kind,
    CASE WHEN is_stranger THEN 'other_contract' ELSE 'copy' END
FROM theirs
WHERE (copy > 1 AND amount IS DISTINCT FROM 0) OR is_stranger
