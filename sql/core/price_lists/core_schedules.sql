-- One row per price list, month, account report, measure and schedule in force, with the source of its terms.
-- Sources (terms_source), strongest first; neither a weaker source nor any number of lines overrules a stronger one:
--     contract      contract_terms.csv; its tiers take the schedules of the list in their order, or, of a list known from lines alone,
--                   which may lack tiers, by the number of the level; where the last of them ends, the list's own tiers follow, from
--                   there on
--     stated        PricelistInfo (core_stated_readings). If it was read in the following month only and the lines of two earlier
--                   months, on or after its Date, all show other terms, those are in force
--     stated_later  a later response. is_firm: most lines of the month show the same schedule, so it counts like stated
--     shown         the schedules on lines (core_shown_schedules), if none of the above states terms of the report and measure. Lines that
--                   follow a contract show no terms of the list, of other accounts or of months after the contract.
--                   Tied contents of a schedule are all in force (`is_tied`), one version each
-- A schedule that no source gives is unknown: it has no row. version 2 and above are in force beside version 1, in the month of a change
-- or of a tie: all terms that are in force on some day of the month are, and a contract's with each of the list's that they leave numbers
-- to. On a day without terms of the contract, those of your own for the list are in force, or else the list's. terms_contract_id: the contract whose accounts alone have these terms, or 0. contract_model: the model that
-- contract_terms.csv states, else null.
WITH listed AS (
    SELECT
        stated.price_list_id,
        stated.reporting_month,
        stated.account_report,
        stated.measure_field,
        stated.version,
        stated.terms_source,
        stated.is_first_seen_after,
        tiers.* EXCLUDE (price_list_id, account_report, measure_field),
        terms_text(tiers.allowance, tiers.minimum, tiers.maximum, tiers.block, tiers.rate) AS terms
    FROM core_stated_readings AS stated
    INNER JOIN core_list_readings AS tiers USING (price_list_id, account_report, measure_field, read_at)
),
seen AS (
    SELECT *, terms_text(allowance, minimum, maximum, block, rate) AS terms
    FROM core_seen_schedules
),
seen_alike AS (
    SELECT
        listed.price_list_id,
        listed.reporting_month,
        listed.account_report,
        listed.measure_field,
        listed.schedule_id,
        listed.version,
        coalesce(sum(seen.lines) FILTER (WHERE seen.terms = listed.terms) * 2 > sum(seen.lines), false) AS is_alike
    FROM listed
    INNER JOIN seen USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
    GROUP BY ALL
),
earlier_months AS (
    SELECT
        listed.price_list_id,
        listed.reporting_month,
        listed.account_report,
        listed.measure_field,
        listed.schedule_id,
        listed.terms,
        shown.* EXCLUDE (price_list_id, reporting_month, account_report, measure_field, schedule_id, is_of_contract),
        alike.terms IS NOT NULL OR shown.is_tied AS is_open
    FROM listed
    INNER JOIN core_shown_schedules AS shown
        ON shown.price_list_id = listed.price_list_id
        AND shown.account_report = listed.account_report
        AND shown.measure_field = listed.measure_field
        AND shown.schedule_id = listed.schedule_id
        AND shown.reporting_month < listed.reporting_month
        AND coalesce(date_trunc('day', listed.dated) <= shown.reporting_month, true)
        AND shown.lines > 0
        AND NOT shown.is_of_contract
    LEFT JOIN (SELECT DISTINCT price_list_id, reporting_month, account_report, measure_field, schedule_id, terms FROM seen) AS alike
        ON alike.price_list_id = shown.price_list_id
        AND alike.reporting_month = shown.reporting_month
        AND alike.account_report = shown.account_report
        AND alike.measure_field = shown.measure_field
        AND alike.schedule_id = shown.schedule_id
        AND alike.terms = listed.terms
    WHERE listed.is_first_seen_after
    QUALIFY row_number() OVER (
        PARTITION BY
            listed.price_list_id, listed.reporting_month, listed.account_report, listed.measure_field, listed.schedule_id
        ORDER BY shown.reporting_month DESC
    ) <= 2
),
held AS (
    -- terms of two earlier months that go before an answer of the month after
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        schedule_id,
        any_value(allowance) AS allowance,
        any_value(minimum) AS minimum,
        any_value(maximum) AS maximum,
        any_value(block) AS block,
        any_value(rate) AS rate,
        concat('the lines of ', strftime(min(shown_month), '%Y-%m'), ' and ', strftime(max(shown_month), '%Y-%m')) AS witness
    FROM earlier_months
    GROUP BY ALL
    HAVING count(*) = 2
        AND count(DISTINCT terms_text(allowance, minimum, maximum, block, rate)) = 1
        AND NOT bool_or(is_open)
),
stated AS (
    SELECT
        listed.price_list_id,
        listed.reporting_month,
        listed.account_report,
        listed.measure_field,
        listed.schedule_id,
        listed.version,
        listed.specified_network_id,
        listed.model,
        listed.level,
        CASE WHEN held.schedule_id IS NULL THEN listed.allowance ELSE held.allowance END AS allowance,
        CASE WHEN held.schedule_id IS NULL THEN listed.minimum ELSE held.minimum END AS minimum,
        CASE WHEN held.schedule_id IS NULL THEN listed.maximum ELSE held.maximum END AS maximum,
        CASE WHEN held.schedule_id IS NULL THEN listed.block ELSE held.block END AS block,
        CASE WHEN held.schedule_id IS NULL THEN listed.rate ELSE held.rate END AS rate,
        listed.price_list_description,
        listed.level_name,
        listed.limited_months,
        CASE WHEN held.schedule_id IS NULL THEN listed.terms_source ELSE 'shown' END AS terms_source,
        listed.terms_source = 'stated' OR coalesce(seen_alike.is_alike, false) AS is_firm,
        false AS is_tied,
        coalesce(held.witness, 'the price list read on ' || strftime(listed.read_at, '%Y-%m-%d')) AS witness
    FROM listed
    LEFT JOIN held USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
    LEFT JOIN seen_alike USING (price_list_id, reporting_month, account_report, measure_field, schedule_id, version)
),
shown_contents AS (
    SELECT
        *,
        max(content_no) OVER (
            PARTITION BY price_list_id, reporting_month, account_report, measure_field, is_of_contract, schedule_id
        ) AS contents,
        max(content_no) OVER (PARTITION BY price_list_id, reporting_month, account_report, measure_field, is_of_contract) AS versions
    FROM core_shown_schedules
),
shown AS (
    -- each version is a whole ladder
    SELECT
        contents.* EXCLUDE (lines, shown_month, content_no, contents, versions),
        ladders.version,
        0 AS limited_months,
        'shown' AS terms_source,
        true AS is_firm,
        CASE WHEN is_tied THEN 'a part, which is no majority, of ' ELSE '' END
        || CASE
            WHEN shown_month = reporting_month THEN 'the lines of the month'
            ELSE 'the lines of ' || strftime(shown_month, '%Y-%m')
        END AS witness
    FROM shown_contents AS contents, unnest(range(1, contents.versions + 1)) AS ladders (version)
    WHERE contents.content_no = least(ladders.version, contents.contents)
),
-- the terms before a Date inside the month, where no answer gives them: what the last month before showed; of a schedule that it did not
-- show, each content that the month itself shows beside the stated ones
before_change AS (
    SELECT shown.* EXCLUDE (is_of_contract) REPLACE (
        changed.reporting_month AS reporting_month,
        changed.version + shown.version AS version,
        false AS is_tied,
        'the lines of ' || strftime(shown.reporting_month, '%Y-%m') AS witness
    )
    FROM core_stated_readings AS changed
    INNER JOIN shown
        ON shown.price_list_id = changed.price_list_id
        AND shown.account_report = changed.account_report
        AND shown.measure_field = changed.measure_field
        AND shown.reporting_month < changed.reporting_month
        AND NOT shown.is_of_contract
    WHERE changed.is_admitting_earlier
    QUALIFY dense_rank() OVER (
        PARTITION BY changed.price_list_id, changed.reporting_month, changed.account_report, changed.measure_field
        ORDER BY shown.reporting_month DESC
    ) = 1
),
shown_beside AS (
    SELECT
        seen.* EXCLUDE (is_of_contract, lines, terms),
        changed.version + row_number() OVER (
            PARTITION BY price_list_id, reporting_month, account_report, measure_field, schedule_id
            ORDER BY seen.lines DESC, seen.terms, seen.level, seen.model
        ) AS version,
        0 AS limited_months,
        'shown' AS terms_source,
        true AS is_firm,
        false AS is_tied,
        'the lines of the month' AS witness
    FROM core_stated_readings AS changed
    INNER JOIN seen USING (price_list_id, reporting_month, account_report, measure_field)
    ANTI JOIN listed USING (price_list_id, reporting_month, account_report, measure_field, schedule_id, terms)
    ANTI JOIN before_change USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
    WHERE changed.is_admitting_earlier AND NOT seen.is_of_contract
),
shown_alone AS (
    SELECT shown.*
    FROM shown
    ANTI JOIN core_stated_readings USING (price_list_id, reporting_month, account_report, measure_field)
),
of_list AS (
    SELECT * FROM stated
    UNION ALL BY NAME
    SELECT * FROM before_change
    UNION ALL BY NAME
    SELECT * FROM shown_beside
    UNION ALL BY NAME
    SELECT * EXCLUDE (is_of_contract) FROM shown_alone WHERE NOT is_of_contract
),
of_papers AS (
    -- the schedules that a contract's terms may take: the list's, and those that only lines of the contract show; where these are
    -- numbered, they are tiers, and a schedule of the list without a number is none of them
    SELECT *
    FROM of_list
    ANTI JOIN shown_alone
        ON shown_alone.is_of_contract
        AND shown_alone.price_list_id = of_list.price_list_id
        AND shown_alone.reporting_month = of_list.reporting_month
        AND shown_alone.account_report = of_list.account_report
        AND shown_alone.measure_field = of_list.measure_field
        AND level_place(shown_alone.level) > 0
        AND level_place(of_list.level) = 0
    UNION ALL BY NAME
    SELECT shown_alone.* EXCLUDE (is_of_contract)
    FROM shown_alone
    ANTI JOIN of_list USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
    WHERE shown_alone.is_of_contract
),
ladders AS (
    SELECT DISTINCT terms_contract_id, price_list_id, reporting_month, account_report, measure_field
    FROM core_line_terms
    UNION
    SELECT DISTINCT 0, price_list_id, reporting_month, account_report, measure_field
    FROM of_papers
),
contracted AS (
    SELECT *
    FROM ladders
    SEMI JOIN core_contract_terms AS papers
        ON papers.terms_contract_id = ladders.terms_contract_id
        AND papers.account_report = ladders.account_report
        AND papers.measure_field = ladders.measure_field
        AND coalesce(papers.price_list_id, ladders.price_list_id) = ladders.price_list_id
        AND papers.valid_from < ladders.reporting_month + INTERVAL 1 MONTH
        AND papers.valid_to >= ladders.reporting_month
),
list_dates AS (
    -- Dates inside the month, from which the list's terms apply
    SELECT price_list_id, reporting_month, account_report, measure_field, version, max(date_trunc('day', dated))::DATE AS dated
    FROM core_list_readings
    INNER JOIN core_stated_readings USING (price_list_id, account_report, measure_field, read_at)
    GROUP BY ALL
    HAVING max(date_trunc('day', dated)) > reporting_month
),
days AS (
    -- the paper of each day of the month: the contract's, else the list's, else none
    SELECT
        ladders.*,
        papers.terms_contract_id AS paper_contract_id,
        papers.valid_from,
        ladders.reporting_month + day_no::INTEGER AS day
    FROM contracted AS ladders, unnest(range(0, 31)) AS days_of_month (day_no)
    LEFT JOIN (
        SELECT DISTINCT terms_contract_id, price_list_id, account_report, measure_field, valid_from, valid_to
        FROM core_contract_terms
    ) AS papers
        ON papers.account_report = ladders.account_report
        AND papers.measure_field = ladders.measure_field
        AND papers.terms_contract_id IN (0, ladders.terms_contract_id)
        AND coalesce(papers.price_list_id, ladders.price_list_id) = ladders.price_list_id
        AND ladders.reporting_month + day_no::INTEGER BETWEEN papers.valid_from AND papers.valid_to
    WHERE ladders.reporting_month + day_no::INTEGER <= last_day(ladders.reporting_month)
    QUALIFY row_number() OVER (
        PARTITION BY
            ladders.terms_contract_id, ladders.price_list_id, ladders.reporting_month, ladders.account_report,
            ladders.measure_field, day_no
        ORDER BY papers.terms_contract_id DESC NULLS LAST
    ) = 1
),
list_versions AS (
    -- the oldest holds from the first day on
    SELECT
        *,
        CASE WHEN lead(list_version) OVER same_list IS NOT NULL THEN dated END AS starts_on,
        min(dated) OVER (same_list ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ends_before
    FROM (
        SELECT
            of_papers.price_list_id,
            of_papers.reporting_month,
            of_papers.account_report,
            of_papers.measure_field,
            of_papers.version AS list_version,
            bool_or(of_papers.is_tied) AS is_list_tied,
            any_value(list_dates.dated) AS dated
        FROM of_papers
        LEFT JOIN list_dates USING (price_list_id, reporting_month, account_report, measure_field, version)
        GROUP BY ALL
    )
    WINDOW same_list AS (PARTITION BY price_list_id, reporting_month, account_report, measure_field ORDER BY list_version)
),
versions AS (
    -- a paper with each of the list's terms of its days, for it may leave numbers to them, and on days without a paper these alone
    SELECT
        *,
        dense_rank() OVER (
            PARTITION BY terms_contract_id, price_list_id, reporting_month, account_report, measure_field
            ORDER BY paper_contract_id DESC NULLS LAST, valid_from DESC, list_version
        ) AS version
    FROM (
        SELECT DISTINCT
            days.* EXCLUDE (day),
            coalesce(list_versions.list_version, 1) AS list_version
        FROM days
        LEFT JOIN list_versions USING (price_list_id, reporting_month, account_report, measure_field)
        WHERE (days.paper_contract_id IS NULL OR coalesce(list_versions.list_version, 1) = 1 OR NOT list_versions.is_list_tied)
            AND (
                coalesce(list_versions.is_list_tied, true)
                OR (days.day >= coalesce(list_versions.starts_on, days.day) AND days.day < coalesce(list_versions.ends_before, 'infinity'))
            )
    )
),
papers AS (
    SELECT
        versions.*,
        terms.* EXCLUDE (terms_contract_id, price_list_id, account_report, measure_field, valid_from)
    FROM versions
    INNER JOIN core_contract_terms AS terms
        ON terms.terms_contract_id = versions.paper_contract_id
        AND terms.valid_from = versions.valid_from
        AND terms.account_report = versions.account_report
        AND terms.measure_field = versions.measure_field
        AND coalesce(terms.price_list_id, versions.price_list_id) = versions.price_list_id
),
placed AS (
    SELECT
        *,
        level_place(level) AS place,
        row_number() OVER (
            PARTITION BY price_list_id, reporting_month, account_report, measure_field, version
            ORDER BY
                specified_network_id, level_place(level), coalesce(minimum, 0),
                CASE WHEN is_open_end(maximum) THEN 2147483647 ELSE maximum END, schedule_id
        ) AS ordinal
    FROM of_papers
),
listed_tiers AS (
    SELECT
        * EXCLUDE (place, ordinal, version),
        version AS list_version,
        CASE
            WHEN bool_and(terms_source = 'shown' AND place > 0) OVER company AND count(DISTINCT place) OVER company = count(*) OVER company
                THEN place
            ELSE ordinal
        END AS tier
    FROM placed
    WINDOW company AS (PARTITION BY price_list_id, reporting_month, account_report, measure_field, version)
),
first_tiers AS (
    -- the first tier that is known
    SELECT *
    FROM listed_tiers
    QUALIFY row_number() OVER (
        PARTITION BY price_list_id, reporting_month, account_report, measure_field, list_version ORDER BY tier
    ) = 1
),
of_contract AS (
    SELECT
        papers.terms_contract_id,
        papers.price_list_id,
        papers.reporting_month,
        papers.account_report,
        papers.measure_field,
        -- a tier that the list does not have is no schedule of the service
        coalesce(own.schedule_id, -papers.tier) AS schedule_id,
        papers.version,
        coalesce(own.specified_network_id, first_tier.specified_network_id, 0) AS specified_network_id,
        coalesce(own.model, first_tier.model, 'Tiered') AS model,
        coalesce(
            CASE WHEN papers.tiers = 1 OR level_place(own.level) > 0 OR listed.tiers >= papers.tiers THEN own.level END,
            CASE WHEN level_place(first_tier.level) > 0 THEN rtrim(first_tier.level, '0123456789') || papers.tier END,
            CASE WHEN papers.tiers = 1 THEN 'General' ELSE 'Tier' || papers.tier END
        ) AS level,
        coalesce(papers.allowance, own.allowance, first_tier.allowance, 0) AS allowance,
        CASE
            -- one of the two repeats the Maximum before, the other has the next whole number: neither states a bound of its own
            WHEN abs(own.minimum - papers.minimum) = 1 AND least(own.minimum, papers.minimum) = papers.former_maximum THEN NULL
            ELSE coalesce(papers.minimum, CASE WHEN papers.tiers = 1 THEN own.minimum END)
        END AS minimum,
        -- an empty Maximum of the last tier is no bound, unless the list has one tier too
        coalesce(papers.maximum, CASE WHEN papers.tiers = 1 AND listed.tiers = 1 THEN own.maximum END, 0) AS maximum,
        coalesce(papers.block, own.block, first_tier.block, 0) AS block,
        papers.rate,
        papers.flat,
        papers.model AS contract_model,
        coalesce(own.price_list_description, first_tier.price_list_description) AS price_list_description,
        own.level_name,
        coalesce(own.limited_months, 0) AS limited_months,
        'contract' AS terms_source,
        true AS is_firm,
        false AS is_tied,
        concat(
            'your contract_terms.csv',
            ', document ' || papers.document,
            ', with the '
            || nullif(concat_ws(
                ' and ',
                CASE WHEN papers.block IS NULL AND own.block > 1 THEN 'block' END,
                CASE WHEN papers.allowance IS NULL AND own.allowance > 0 THEN 'allowance' END
            ), '')
            || ' of ' || own.witness
        ) AS witness
    FROM papers
    LEFT JOIN listed_tiers AS own
        USING (price_list_id, reporting_month, account_report, measure_field, list_version, tier)
    LEFT JOIN first_tiers AS first_tier USING (price_list_id, reporting_month, account_report, measure_field, list_version)
    LEFT JOIN (
        SELECT price_list_id, reporting_month, account_report, measure_field, list_version, count(*) AS tiers
        FROM listed_tiers
        GROUP BY ALL
    ) AS listed USING (price_list_id, reporting_month, account_report, measure_field, list_version)
),
beyond_papers AS (
    -- a paper whose last tier ends states nothing about the tiers after it: the list's own follow
    SELECT papers.terms_contract_id, papers.version, listed.* EXCLUDE (tier, list_version) REPLACE (
        false AS is_tied,
        CASE
            WHEN listed.minimum > 0 AND listed.minimum <= papers.maximum
                -- the next whole number, or the Maximum again, as the list writes it
                THEN papers.maximum + CASE WHEN listed.minimum = own.maximum THEN 0 ELSE 1 END
            ELSE listed.minimum
        END AS minimum,
        CASE
            WHEN listed.minimum > 0 AND listed.minimum <= papers.maximum THEN listed.witness || ', after the tiers of your contract_terms.csv'
            ELSE listed.witness
        END AS witness
    ), papers.model AS contract_model
    FROM listed_tiers AS listed
    INNER JOIN papers USING (price_list_id, reporting_month, account_report, measure_field, list_version)
    LEFT JOIN listed_tiers AS own
        ON own.price_list_id = papers.price_list_id
        AND own.reporting_month = papers.reporting_month
        AND own.account_report = papers.account_report
        AND own.measure_field = papers.measure_field
        AND own.list_version = papers.list_version
        AND own.tier = papers.tier
    WHERE papers.tier = papers.tiers
        AND listed.tier > papers.tiers
        -- a tier that ends where the paper does, or before, is replaced as a whole
        AND (is_open_end(listed.maximum) OR listed.maximum > coalesce(papers.maximum, 0))
        AND listed.specified_network_id = coalesce(own.specified_network_id, 0)
        AND NOT is_open_end(coalesce(papers.maximum, 0))
),
beside_papers AS (
    -- papers that hold for a part of the month leave the list's terms in force for the rest
    SELECT versions.terms_contract_id, versions.version, listed.* EXCLUDE (version)
    FROM versions
    INNER JOIN of_list AS listed
        ON listed.price_list_id = versions.price_list_id
        AND listed.reporting_month = versions.reporting_month
        AND listed.account_report = versions.account_report
        AND listed.measure_field = versions.measure_field
        AND listed.version = versions.list_version
    WHERE versions.paper_contract_id IS NULL
),
in_force AS (
    SELECT * FROM of_contract
    UNION ALL BY NAME
    SELECT * FROM beyond_papers
    UNION ALL BY NAME
    SELECT * FROM beside_papers
    UNION ALL BY NAME
    SELECT 0 AS terms_contract_id, of_list.*
    FROM of_list
    ANTI JOIN papers
        ON papers.terms_contract_id = 0
        AND papers.price_list_id = of_list.price_list_id
        AND papers.reporting_month = of_list.reporting_month
        AND papers.account_report = of_list.account_report
        AND papers.measure_field = of_list.measure_field
)
SELECT
    terms_contract_id,
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    schedule_id,
    version,
    specified_network_id,
    model,
    level,
    allowance,
    -- in 64 bits, for what comes after looks past a bound and doubles it
    minimum::BIGINT AS minimum,
    maximum::BIGINT AS maximum,
    block,
    rate,
    coalesce(flat, 0)::DECIMAL(28, 10) AS flat,
    contract_model,
    price_list_description,
    level_name,
    limited_months,
    terms_source,
    is_firm,
    is_tied,
    witness
FROM in_force
