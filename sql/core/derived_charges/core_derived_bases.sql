-- One row per derived charge and base: the sum that the charge may be computed from (core_derived_readings).
-- The charge's own amount is never part of the base of its month. `is_base_open`: a charge of the base is unknown.
WITH wanted AS (
    SELECT DISTINCT
        shortlist.set_no,
        readings.base,
        readings.base_word,
        readings.scope,
        readings.period,
        list_contains(readings.parts, 'usage') AS has_usage,
        list_contains(readings.parts, 'fixed') AS has_fixed,
        list_contains(readings.parts, 'one_time') AS has_one_time,
        list_contains(readings.parts, 'percentages') AS has_percentages,
        list_contains(readings.parts, 'credits') AS has_credits,
        list_contains(readings.parts, 'minimums') AS has_minimums
    FROM core_derived_shortlist AS shortlist
    INNER JOIN core_derived_readings AS readings USING (reading_no)
),
lines AS (
    SELECT
        lines.*,
        coalesce(former.contract_id, accounts.contract_id) AS contract_id
    FROM core_derived_lines AS lines
    LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
    LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
),
scopes AS (
    SELECT DISTINCT set_no, scope, period
    FROM wanted
),
dated AS (
    SELECT
        lines.*,
        scopes.scope,
        scopes.period,
        CASE
            WHEN scopes.period = 'month' THEN lines.reporting_month
            ELSE (lines.reporting_month - INTERVAL 1 MONTH)::DATE
        END AS base_month,
        CASE scopes.scope WHEN 'network' THEN lines.network_id WHEN 'contract' THEN lines.contract_id END AS scope_id
    FROM lines
    INNER JOIN scopes USING (set_no)
),
summed AS (
    SELECT
        dated.*,
        coalesce(own.usage_amount, wide.usage_amount) AS usage_amount,
        coalesce(own.fixed_amount, wide.fixed_amount) AS fixed_amount,
        coalesce(own.one_time_amount, wide.one_time_amount) AS one_time_amount,
        coalesce(own.percentage_amount, wide.percentage_amount)
        - CASE WHEN dated.part = 'percentages' AND dated.period = 'month' THEN dated.amount ELSE 0 END AS percentage_amount,
        coalesce(own.credit_amount, wide.credit_amount) AS credit_amount,
        coalesce(own.minimum_amount, wide.minimum_amount)
        - CASE WHEN dated.part = 'minimums' AND dated.period = 'month' THEN dated.amount ELSE 0 END AS minimum_amount,
        -- charges of the month before, or of an unknown contract, may be unknown
        coalesce(own.is_open, wide.is_open, dated.period <> 'month' OR dated.scope <> 'account')
        -- a limited run leaves out accounts of the network and the contract
        OR (dated.scope <> 'account' AND limited.reporting_month IS NOT NULL) AS is_open
    FROM dated
    LEFT JOIN core_charge_sums AS own
        ON dated.scope = 'account'
        AND own.network_id = dated.network_id
        AND own.mailbox_id = dated.mailbox_id
        AND own.reporting_month = dated.base_month
    LEFT JOIN core_scope_sums AS wide
        ON wide.scope = dated.scope AND wide.scope_id = dated.scope_id AND wide.reporting_month = dated.base_month
    LEFT JOIN core_limited_runs AS limited ON limited.reporting_month = dated.base_month
),
based AS (
    SELECT
        summed.network_id,
        summed.mailbox_id,
        summed.reporting_month,
        summed.account_report,
        summed.measure_field,
        summed.terms_no,
        summed.set_no,
        summed.kind,
        summed.actual,
        summed.amount,
        wanted.base,
        CASE wanted.base_word
            WHEN 'lines_before' THEN summed.amount_before
            WHEN 'shown_actual' THEN summed.actual
            ELSE
                CASE WHEN wanted.has_usage THEN coalesce(summed.usage_amount, 0) ELSE 0 END
                + CASE WHEN wanted.has_fixed THEN coalesce(summed.fixed_amount, 0) ELSE 0 END
                + CASE WHEN wanted.has_one_time THEN coalesce(summed.one_time_amount, 0) ELSE 0 END
                + CASE WHEN wanted.has_percentages THEN coalesce(summed.percentage_amount, 0) ELSE 0 END
                + CASE WHEN wanted.has_credits THEN coalesce(summed.credit_amount, 0) ELSE 0 END
                + CASE WHEN wanted.has_minimums THEN coalesce(summed.minimum_amount, 0) ELSE 0 END
        END AS base_sum,
        CASE wanted.base_word
            WHEN 'shown_actual' THEN false
            WHEN 'lines_before' THEN summed.is_open_before
            ELSE summed.is_open
        END AS is_base_open,
        summed.measures_after
    FROM summed
    INNER JOIN wanted USING (set_no, scope, period)
)
SELECT
    * EXCLUDE (base_sum) REPLACE (is_base_open OR coalesce(abs(base_sum) >= 1000000000000000000, false) AS is_base_open),
    -- a sum that overflows DECIMAL(28,10) is unknown
    coalesce(try_cast(base_sum AS DECIMAL(28, 10)), CASE WHEN base_sum IS NOT NULL THEN 0 END) AS base_amount
FROM based
