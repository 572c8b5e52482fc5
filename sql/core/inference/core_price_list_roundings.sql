-- One row per price list: how it rounds its lines, judged over all of them at once.
-- A rounding's score is how many lines it explains when every schedule set takes the reading that suits it best. Where the list's
-- own lines cannot tell roundings apart (no amount fell where they part, as on a tie between two cents), all price lists
-- together decide, and failing that the order of reference_roundings: half up to cents first. One line alone is no evidence of other
-- decimals than two lines or more of other lists show: it is billed wrongly, rather. Within the same decimals it is, for no line is
-- wrong that a rounding of its list explains to the cent. `is_seen` says that the list's
-- own lines speak against every other rounding; where it is false the choice costs at most one unit of the last decimal
-- on lines of a kind not seen, so that it leaves no reading undecided.
WITH scores AS (
    SELECT set_no, reading_no, rounding_no, sum(lines_explained) AS lines_explained
    FROM (
        FROM core_screen_scores
        UNION ALL
        FROM core_trial_scores
    )
    SEMI JOIN core_shortlist USING (set_no, reading_no)
    GROUP BY set_no, reading_no, rounding_no
),
best AS (
    SELECT set_no, rounding_no, max(lines_explained) AS lines_explained
    FROM scores
    GROUP BY ALL
),
lists AS (
    SELECT sets.price_list_id, roundings.rounding_no, sum(coalesce(best.lines_explained, 0)) AS lines_explained
    FROM core_sets AS sets
    INNER JOIN core_candidate_roundings AS roundings USING (price_list_id)
    LEFT JOIN best USING (set_no, rounding_no)
    GROUP BY ALL
),
everywhere AS (
    SELECT rounding_no, sum(lines_explained) AS lines_explained
    FROM lists
    GROUP BY rounding_no
),
compared AS (
    SELECT
        lists.price_list_id,
        lists.rounding_no,
        lists.lines_explained,
        roundings.scale,
        everywhere.lines_explained AS lines_everywhere,
        everywhere.lines_explained - lists.lines_explained AS lines_elsewhere
    FROM lists
    INNER JOIN everywhere USING (rounding_no)
    INNER JOIN core_roundings AS roundings USING (rounding_no)
),
usual AS (
    SELECT *
    FROM compared
    QUALIFY row_number() OVER (PARTITION BY price_list_id ORDER BY lines_elsewhere DESC, rounding_no) = 1
),
ranked AS (
    SELECT
        lists.price_list_id,
        lists.rounding_no,
        lists.lines_explained,
        row_number() OVER preference AS place,
        lead(lists.lines_explained) OVER preference AS next_lines_explained
    FROM compared AS lists
    INNER JOIN usual USING (price_list_id)
    WHERE NOT (
        lists.scale <> usual.scale AND lists.lines_explained - usual.lines_explained = 1
        AND usual.lines_elsewhere - lists.lines_elsewhere > 1
    )
    WINDOW preference AS (
        PARTITION BY lists.price_list_id
        ORDER BY lists.lines_explained DESC, lists.lines_everywhere DESC, lists.rounding_no
    )
)
SELECT
    ranked.price_list_id,
    ranked.rounding_no,
    roundings.rounding,
    roundings.scale,
    coalesce(ranked.lines_explained > ranked.next_lines_explained, true) AS is_seen
FROM ranked
INNER JOIN core_roundings AS roundings USING (rounding_no)
WHERE ranked.place = 1
