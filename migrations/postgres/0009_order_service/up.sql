-- Centres whose stock may hold units for orders that are paid and wait, and how far down the line these were served: up to
-- this place among the paid ones. A row goes when nobody further can be served; so a crash forgets nothing.
CREATE TABLE unserved (
    seller TEXT NOT NULL PRIMARY KEY,
    after BIGINT NOT NULL
);
INSERT INTO unserved (seller, after) SELECT DISTINCT seller, 0 FROM orders WHERE standing = 'waiting';
CREATE INDEX orders_line ON orders (seller, standing, paid_number);

-- The stock is read page by page, oldest vintage first, then by serial numbers.
-- Every database shall sort pools as bytes; what is reserved is joined by them, which no index of another order serves.
ALTER TABLE stock ALTER COLUMN pool TYPE TEXT COLLATE "C";
ALTER TABLE order_units ALTER COLUMN pool TYPE TEXT COLLATE "C";
DROP INDEX stock_vintage;
CREATE INDEX stock_line ON stock (vintage, pool, first_unit);
CREATE INDEX stock_seller ON stock (seller, vintage, pool, first_unit);
DROP INDEX order_units_pool;
CREATE INDEX order_units_pool ON order_units (pool, entry, last_unit);

-- What becomes of a payment that goes back: asked for by the buyer, declined or recorded by the seller; 0 and empty before.
ALTER TABLE orders ADD COLUMN refund_asked_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN refund_declined_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN refunded_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN refund TEXT NOT NULL DEFAULT '';

-- 1 if the retirement that is ordered names its buyer.
ALTER TABLE orders ADD COLUMN names_buyer BIGINT NOT NULL DEFAULT 0;
-- In whose year's statement a retired block stands: of the beneficiary that is named, else of who retired it.
ALTER TABLE blocks RENAME COLUMN retired_by TO claimed_by;

-- The sites of an organisation.
CREATE INDEX records_sites_of ON records ((body::jsonb ->> 'organisation'), id) WHERE kind = 'site';
