-- Derived: the certificates that the centre of their site holds and that nothing stops, as replaying the entries gives them.
CREATE TABLE stock (
    serial TEXT NOT NULL PRIMARY KEY,
    -- The serial's part before the numbers: units of one pool share it.
    pool TEXT NOT NULL,
    first_unit BIGINT NOT NULL,
    last_unit BIGINT NOT NULL,
    seller TEXT NOT NULL,
    country TEXT NOT NULL,
    -- Months since the year 0.
    vintage BIGINT NOT NULL,
    issuer TEXT NOT NULL,
    expires TEXT NOT NULL
);
CREATE INDEX stock_vintage ON stock (vintage, seller);
CREATE INDEX stock_pool ON stock (pool, first_unit);

-- Orders stand outside the ledger: neither replay nor audit looks here. Every write is made under the head's lock.
CREATE TABLE orders (
    -- The order in which they came.
    number BIGINT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    -- SHA-256 of what was ordered, without what is personal.
    content_sha256 BYTEA NOT NULL CHECK (length(content_sha256) = 32),
    buyer TEXT NOT NULL,
    seller TEXT NOT NULL,
    units BIGINT NOT NULL,
    -- The devices and the factor behind the units, as JSON; empty if kilograms were ordered.
    devices TEXT NOT NULL,
    -- Preferences; empty where there is none.
    country TEXT NOT NULL,
    centre TEXT NOT NULL,
    vintage_from TEXT NOT NULL,
    vintage_until TEXT NOT NULL,
    delivery TEXT NOT NULL,
    -- Of a retirement; else empty.
    period_from TEXT NOT NULL,
    period_until TEXT NOT NULL,
    purpose_kind TEXT NOT NULL,
    -- 1 if it may wait for treatment.
    advance BIGINT NOT NULL,
    standing TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    -- Until it is paid when it lapses, of one that is over when that was.
    until_ms BIGINT NOT NULL,
    -- The order in which they were paid, from 1; 0 before.
    paid_number BIGINT NOT NULL,
    paid_ms BIGINT NOT NULL,
    payment TEXT NOT NULL
);
CREATE UNIQUE INDEX orders_id ON orders (id);
CREATE INDEX orders_standing ON orders (standing, until_ms);
CREATE INDEX orders_buyer ON orders (buyer, number);
CREATE INDEX orders_seller ON orders (seller, number);
CREATE INDEX orders_paid ON orders (paid_number);

-- Units that are reserved for an order, and after their delivery those that it got.
CREATE TABLE order_units (
    order_id TEXT NOT NULL,
    pool TEXT NOT NULL,
    first_unit BIGINT NOT NULL,
    last_unit BIGINT NOT NULL,
    seller TEXT NOT NULL,
    expires TEXT NOT NULL,
    -- The entry that delivered them; -1 while they are reserved.
    entry BIGINT NOT NULL,
    -- Units that were delivered may come back to the centre and be reserved again for the same order.
    PRIMARY KEY (order_id, pool, first_unit, entry)
);
CREATE INDEX order_units_pool ON order_units (pool, entry);
CREATE INDEX order_units_entry ON order_units (entry, expires);

-- In whose name a centre shall retire: personal, kept until the delivery or the end of the order and then deleted.
CREATE TABLE order_values (
    order_id TEXT NOT NULL,
    pointer TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (order_id, pointer)
);
