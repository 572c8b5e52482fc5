-- One row per rate ladder with an override (row of reference_pinned_readings): the words that its interpretation must have.
-- Words are those of out_readings.reading_id, separated by dots, any subset of them. A row without report or measure applies to the whole
-- price list; the more specific row has priority. A word that no candidate of the ladder has is ignored there (a tier's bound on a ladder
-- of one tier); a word that no candidate of any ladder has is treated as a typo and fails the build.
WITH overrides AS (
    SELECT
        try_cast(price_list_id AS INTEGER) AS price_list_id,
        account_report,
        measure_field,
        string_split(trim(words), '.') AS words
    FROM reference_pinned_readings
    WHERE price_list_id IS NOT NULL
),
known AS (
    SELECT list_distinct(flatten(list(words))) AS words
    FROM (
        SELECT words FROM core_set_readings
        UNION ALL
        SELECT words FROM core_derived_readings
    )
),
checked AS (
    SELECT
        overrides.price_list_id,
        overrides.account_report,
        overrides.measure_field,
        CASE
            WHEN len(list_filter(overrides.words, lambda word: NOT list_contains(known.words, word))) = 0 THEN overrides.words
            ELSE error(
                'pinned_readings.csv, price list ' || coalesce(overrides.price_list_id::VARCHAR, '?') || ': no reading has the word '
                || list_filter(overrides.words, lambda word: NOT list_contains(known.words, word))[1]
                || '; take the words of out_readings.reading_id, or drop the row'
            )
        END AS words
    FROM overrides
    CROSS JOIN known
)
SELECT
    sets.set_no,
    checked.words
FROM core_sets AS sets
INNER JOIN checked
    ON checked.price_list_id = sets.price_list_id
    AND coalesce(checked.account_report, sets.account_report) = sets.account_report
    AND coalesce(checked.measure_field, sets.measure_field) = sets.measure_field
QUALIFY row_number() OVER (
    PARTITION BY sets.set_no
    ORDER BY checked.measure_field IS NULL, checked.account_report IS NULL, checked.words
) = 1
