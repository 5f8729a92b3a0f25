-- Derived: the blocks that hold units now, by what the register is searched by.
CREATE TABLE blocks (
    serial TEXT NOT NULL PRIMARY KEY,
    pool TEXT NOT NULL,
    first_unit BIGINT NOT NULL,
    last_unit BIGINT NOT NULL,
    country TEXT NOT NULL,
    site_code TEXT NOT NULL,
    vintage TEXT NOT NULL,
    status TEXT NOT NULL,
    expires TEXT,
    retired_entry BIGINT,
    retired_by TEXT,
    period_from TEXT,
    period_until TEXT
);
CREATE INDEX blocks_units ON blocks (pool, last_unit);
CREATE INDEX blocks_claims ON blocks (retired_entry);
CREATE INDEX blocks_years ON blocks (retired_by, period_until);

-- Derived: in whose account a block was, from an entry to an entry.
CREATE TABLE holdings (
    since BIGINT NOT NULL,
    serial TEXT NOT NULL,
    holder TEXT NOT NULL,
    until BIGINT,
    PRIMARY KEY (since, serial)
);
CREATE INDEX holdings_holder ON holdings (holder, since, serial);
CREATE INDEX holdings_serial ON holdings (serial, since);

-- Derived: what each entry did to blocks in accounts.
CREATE TABLE account_changes (
    holder TEXT NOT NULL,
    idx BIGINT NOT NULL,
    serial TEXT NOT NULL,
    kind TEXT NOT NULL,
    units TEXT NOT NULL,
    PRIMARY KEY (holder, idx, serial, kind)
);

-- The companies in whose names certificates were retired, in the form in which they are looked for. They follow the openings.
CREATE TABLE companies (
    name BLOB NOT NULL,
    idx BIGINT NOT NULL,
    PRIMARY KEY (name, idx)
);
CREATE INDEX companies_entry ON companies (idx);

-- The person who uses a token, if it is one person's.
ALTER TABLE tokens ADD COLUMN person TEXT;
