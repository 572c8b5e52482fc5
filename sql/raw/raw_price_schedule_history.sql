-- One row per schedule of a price list from a replaced PricelistInfo response: when it was read, and when it was replaced.
SELECT *
FROM lake_price_schedule_history
