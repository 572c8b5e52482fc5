-- One row per schedule set of money of other lines whose reading the user pinned: what its lines would be expected to cost more.
-- Below 0 less; than by the reading that the lines alone would choose. Lines whose sum is open are left out.
SELECT chosen.set_no, sum(pinned.expected_amount - led.expected_amount) AS difference
FROM core_money_chosen AS chosen
INNER JOIN core_money_scores AS leaders ON leaders.set_no = chosen.set_no AND leaders.place = 1
INNER JOIN core_money_trials AS pinned ON pinned.set_no = chosen.set_no AND pinned.reading_no = chosen.reading_no
INNER JOIN core_money_trials AS led
    USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE chosen.is_pinned AND led.reading_no = leaders.reading_no AND NOT pinned.is_base_open AND NOT led.is_base_open
GROUP BY chosen.set_no
