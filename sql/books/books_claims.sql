-- One row per disputed finding with a claimed amount: the amount, and what later lines credit of it.
-- kept as: scratch view
-- A credit is a later line of the same account, report and measure with an amount below 0. If several claims could be meant, it is that
-- of the latest month, first by place, so that no credit counts twice.
WITH claims AS (
    SELECT states.*, amounts.disputed_amount AS claimed_amount
    FROM out_finding_states AS states
    INNER JOIN out_finding_amounts AS amounts USING (finding_id)
    WHERE states.state = 'disputed' AND amounts.disputed_amount > 0
),
credits AS (
    SELECT claims.finding_id, lines.reporting_month, -lines.amount AS amount
    FROM claims
    INNER JOIN out_line_items AS lines
        ON lines.network_id = claims.network_id
        AND lines.mailbox_id = claims.mailbox_id
        AND lines.account_report = claims.account_report
        AND lines.measure_field = claims.measure_field
        AND lines.reporting_month > claims.reporting_month
    WHERE lines.amount < 0
    QUALIFY row_number() OVER (
        PARTITION BY lines.network_id, lines.mailbox_id, lines.account_report, lines.measure_field, lines.reporting_month
        ORDER BY claims.reporting_month DESC, claims.place, claims.finding_id
    ) = 1
),
answers AS (
    SELECT finding_id, sum(amount) AS amount, min(reporting_month) AS credited_month
    FROM credits
    GROUP BY finding_id
)
SELECT
    claims.place,
    claims.finding_id,
    claims.reporting_month,
    claims.claimed_amount::DECIMAL(28, 10) AS claimed_amount,
    coalesce(answers.amount, 0)::DECIMAL(28, 10) AS credited_amount,
    answers.credited_month,
    CASE
        WHEN answers.amount IS NULL THEN 'open'
        WHEN answers.amount < claims.claimed_amount THEN 'short'
        ELSE 'recovered'
    END AS outcome
FROM claims
LEFT JOIN answers ON answers.finding_id = claims.finding_id
