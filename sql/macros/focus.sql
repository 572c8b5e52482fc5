-- Text in ASCII, as FOCUS wants names (its StringHandling): accents go, any other foreign character becomes a question mark.
CREATE OR REPLACE MACRO ascii_text(value) AS
    CASE
        WHEN strlen(value) = length(value) THEN value -- as many bytes as characters: ASCII as it is
        ELSE regexp_replace(strip_accents(replace(value, 'ß', 'ss')), '[^\x00-\x7F]', '?', 'g')
    END;

-- The terms of a price as JSON, in ECGrid's words, as FOCUS wants SkuPriceDetails: keys of our own begin with x_, numbers
-- are numbers. What is not known is left out.
CREATE OR REPLACE MACRO price_details(model, level, block, allowance, minimum, maximum) AS
    '{' || concat_ws(
        ',',
        CASE WHEN model IS NOT NULL THEN '"x_Model":' || to_json(ascii_text(model))::VARCHAR END,
        CASE WHEN level IS NOT NULL THEN '"x_Level":' || to_json(ascii_text(level))::VARCHAR END,
        '"x_Block":' || plain_text(block),
        '"x_Allowance":' || plain_text(allowance),
        '"x_Minimum":' || minimum,
        '"x_Maximum":' || maximum
    ) || '}';

-- Whether a DECIMAL(28,10) has at most nine decimals, as FOCUS has them; 64 bits do it thirty times as fast.
CREATE OR REPLACE MACRO has_nine_places(value) AS
    CASE
        WHEN abs(value) < 99999999 THEN value::DECIMAL(18, 10) % 0.000000001::DECIMAL(18, 10) = 0
        ELSE value % 0.000000001 = 0
    END;

-- Whether a quantity has four decimals and its price five, both small: their product then has nine. 64 bits tell. (Cut
-- and widened by steps of one type: DuckDB compares 64 bits with 64 bits.)
CREATE OR REPLACE MACRO has_short_factors(quantity, price) AS
    abs(quantity) < 99999999 AND abs(price) < 99999999
    AND quantity::DECIMAL(18, 10)::DECIMAL(18, 4)::DECIMAL(18, 10) = quantity::DECIMAL(18, 10)
    AND price::DECIMAL(18, 10)::DECIMAL(18, 5)::DECIMAL(18, 10) = price::DECIMAL(18, 10);

-- Whether `product`, that of two DECIMAL(28,10), has at most nine decimals.
CREATE OR REPLACE MACRO has_nine_places_product(quantity, price, product) AS
    CASE WHEN has_short_factors(quantity, price) THEN true ELSE product % 0.000000001 = 0 END;

-- `product`, that of two DECIMAL(28,10), of at most nine decimals, with ten: to multiply anew costs a tenth of what it does
-- to cut the twenty decimals that a product has.
CREATE OR REPLACE MACRO product_in_ten_places(quantity, price, product) AS
    CASE
        WHEN has_short_factors(quantity, price)
            THEN (quantity::DECIMAL(18, 10)::DECIMAL(12, 4) * price::DECIMAL(18, 10)::DECIMAL(13, 5))::DECIMAL(38, 10)
        ELSE product::DECIMAL(38, 10)
    END;

-- InvoiceId: number of the invoice in ASCII; a provisional one of contract and month where there is no number.
CREATE OR REPLACE MACRO focus_invoice(invoice_number, contract_id, reporting_month) AS
    coalesce(
        ascii_text(invoice_number),
        concat_ws('-', 'provisional', contract_id::VARCHAR, left(reporting_month::VARCHAR, 7))
    );

-- What the books compare of a closed month's FOCUS rows: a line, or a charge of an invoice beside its lines.
CREATE OR REPLACE MACRO focus_entry(network_id, mailbox_id, account_report, measure_field, invoice_id, invoice_charge) AS
    row(
        network_id, mailbox_id, account_report, measure_field, CASE WHEN invoice_charge IS NOT NULL THEN invoice_id END,
        invoice_charge
    );
