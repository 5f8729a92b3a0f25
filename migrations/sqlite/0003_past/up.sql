-- Which entry wrote a record, and which one wrote what it wrote over (NULL: it is the first).
ALTER TABLE records ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE records ADD COLUMN before BIGINT;

-- Derived: records as they once were, by the entry that wrote them. New rows land at the right edge.
CREATE TABLE past (
    since BIGINT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    before BIGINT,
    body TEXT NOT NULL,
    PRIMARY KEY (since, id, kind)
);

-- Derived: what each entry added to each account.
CREATE TABLE bookings (
    idx BIGINT NOT NULL,
    account TEXT NOT NULL,
    site TEXT NOT NULL,
    grams BIGINT NOT NULL,
    PRIMARY KEY (idx, account, site)
);
