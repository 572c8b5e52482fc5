-- One row per disputed finding that claims money: what is claimed, and what later credits answer it with.
-- kept as: view
-- A credit is later where its month is, or where it is a credit note of the same month. It answers at most one claim, or all claims of an
-- account or invoice at once. A credit of the same account, report and measure answers the latest claim of them, whatever its amount.
-- Any other answers a claim that its description names by its id, or (an inference) what is left of one claim of the same account, or
-- of the same contract where it names no account, or of all of them, if that is its amount to the cent. What fits none answers none.
-- contract_id: ContractID that the claim is made under; null: none is known
-- filed_on: day (UTC) on which the finding was set to disputed
-- claimed_amount: amount disputed
-- credited_amount: what later credits answer it with
-- credited_month: month of the first of these credits; null without one
-- credited_by: how they are known to answer it: key, id, or amount (inferred); null without one
-- outcome: open (no credit), short (less than claimed) or recovered
WITH claims AS (
    SELECT
        states.place,
        states.finding_id,
        states.reporting_month,
        states.network_id,
        states.mailbox_id,
        states.account_report,
        states.measure_field,
        amounts.contract_id,
        amounts.invoice_source,
        amounts.invoice_id,
        decided.decided_on AS filed_on,
        amounts.disputed_amount AS claimed_amount
    FROM out_finding_states AS states
    INNER JOIN out_finding_amounts AS amounts USING (finding_id)
    INNER JOIN raw_finding_states AS decided USING (finding_id)
    WHERE states.state = 'disputed' AND amounts.disputed_amount > 0
),
by_key AS (
    SELECT claims.finding_id, credits.document, credits.reporting_month, credits.amount, 'key' AS credited_by
    FROM claims
    INNER JOIN core_credits AS credits
        ON credits.network_id = claims.network_id
        AND credits.mailbox_id = claims.mailbox_id
        AND credits.account_report = claims.account_report
        AND credits.measure_field = claims.measure_field
        AND (
            credits.reporting_month > claims.reporting_month
            OR (credits.is_note AND credits.reporting_month = claims.reporting_month)
        )
    QUALIFY row_number() OVER (
        PARTITION BY credits.document ORDER BY claims.reporting_month DESC, claims.place, claims.finding_id
    ) = 1
),
by_id AS (
    SELECT claims.finding_id, credits.document, credits.reporting_month, credits.amount, 'id' AS credited_by
    FROM claims
    INNER JOIN core_credits AS credits
        ON contains(lower(credits.line_description), claims.finding_id) AND credits.reporting_month >= claims.reporting_month
    ANTI JOIN by_key ON by_key.document = credits.document
    QUALIFY row_number() OVER (PARTITION BY credits.document ORDER BY claims.place, claims.finding_id) = 1
),
told AS (
    SELECT * FROM by_key
    UNION ALL
    SELECT * FROM by_id
),
told_sums AS (
    SELECT finding_id, sum(amount) AS amount
    FROM told
    GROUP BY finding_id
),
remaining AS (
    SELECT claims.*, claims.claimed_amount - coalesce(told_sums.amount, 0) AS amount
    FROM claims
    LEFT JOIN told_sums USING (finding_id)
    WHERE claims.claimed_amount > coalesce(told_sums.amount, 0)
),
-- one claim, all of an account, and all on an invoice: what a credit may be the whole of
groups AS (
    SELECT
        contract_id, network_id, mailbox_id, reporting_month, amount,
        [finding_id] AS finding_ids,
        1 AS preference,
        place
    FROM remaining
    UNION ALL
    SELECT
        contract_id, network_id, mailbox_id, reporting_month, sum(amount), list(finding_id ORDER BY finding_id), 2, min(place)
    FROM remaining
    WHERE network_id IS NOT NULL
    GROUP BY contract_id, network_id, mailbox_id, reporting_month
    HAVING count(*) > 1
    UNION ALL
    SELECT contract_id, NULL, NULL, reporting_month, sum(amount), list(finding_id ORDER BY finding_id), 3, min(place)
    FROM remaining
    GROUP BY contract_id, invoice_source, invoice_id, reporting_month
    HAVING count(*) > 1
),
pairs AS (
    SELECT
        credits.document,
        credits.reporting_month,
        groups.* EXCLUDE (reporting_month),
        row_number() OVER (PARTITION BY credits.document ORDER BY preference, place, finding_ids) AS group_no,
        row_number() OVER (PARTITION BY finding_ids ORDER BY credits.document) AS credit_no
    FROM core_credits AS credits
    INNER JOIN groups
        ON groups.amount = credits.amount
        AND (
            credits.reporting_month > groups.reporting_month
            OR (credits.is_note AND credits.reporting_month = groups.reporting_month)
        )
        AND (
            (credits.network_id = groups.network_id AND credits.mailbox_id = groups.mailbox_id)
            OR (credits.network_id IS NULL AND credits.contract_id = groups.contract_id)
        )
    ANTI JOIN told ON told.document = credits.document
),
-- the smallest group first; of several credits and claims of one amount, the first credit answers the first claim, and so on
chosen AS (
    SELECT *
    FROM pairs
    WHERE group_no = credit_no
    QUALIFY row_number() OVER (PARTITION BY document ORDER BY group_no) = 1
),
answered AS (
    SELECT document, reporting_month, preference, unnest(finding_ids) AS finding_id
    FROM chosen
),
by_amount AS (
    SELECT answered.finding_id, answered.document, answered.reporting_month, remaining.amount, 'amount' AS credited_by
    FROM answered
    INNER JOIN remaining USING (finding_id)
    QUALIFY row_number() OVER (PARTITION BY answered.finding_id ORDER BY answered.preference, answered.document) = 1
),
answers AS (
    SELECT
        finding_id,
        sum(amount) AS amount,
        min(reporting_month) AS credited_month,
        arg_min(credited_by, (reporting_month, document)) AS credited_by
    FROM (
        SELECT * FROM told
        UNION ALL
        SELECT * FROM by_amount
    )
    GROUP BY finding_id
)
SELECT
    claims.finding_id,
    claims.reporting_month,
    claims.contract_id,
    claims.filed_on,
    claims.claimed_amount::DECIMAL(28, 10) AS claimed_amount,
    coalesce(answers.amount, 0)::DECIMAL(28, 10) AS credited_amount,
    answers.credited_month,
    answers.credited_by,
    CASE
        WHEN answers.amount IS NULL THEN 'open'
        WHEN answers.amount < claims.claimed_amount THEN 'short'
        ELSE 'recovered'
    END AS outcome,
    claims.place
FROM claims
LEFT JOIN answers USING (finding_id)
