-- The ledger itself: never updated, never deleted.
CREATE TABLE entries (
    idx BIGINT NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL,
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    organisation BLOB NOT NULL CHECK (length(organisation) = 16),
    statement_id BLOB NOT NULL CHECK (length(statement_id) = 16),
    payload_sha256 BLOB NOT NULL CHECK (length(payload_sha256) = 32),
    warnings TEXT NOT NULL
);
-- Statement ids come first because clients make them as UUIDv7: new rows land at the right edge of the index.
CREATE UNIQUE INDEX entries_identity ON entries (statement_id, organisation);

-- Full hash tiles only (C2SP tlog-tiles); root stands before the hashes so that it is read without them.
CREATE TABLE tiles (
    level BIGINT NOT NULL,
    n BIGINT NOT NULL,
    root BLOB NOT NULL CHECK (length(root) = 32),
    hashes BLOB NOT NULL CHECK (length(hashes) = 8192),
    PRIMARY KEY (level, n)
);

-- Every checkpoint ever signed. The key on size makes a second root for a size impossible.
CREATE TABLE checkpoints (
    size BIGINT NOT NULL PRIMARY KEY,
    root BLOB NOT NULL CHECK (length(root) = 32),
    note TEXT NOT NULL
);

-- The checkpoint that may be seen: the guard has moved to it. Any node shows this one and none beyond it.
CREATE TABLE shown (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL
);
INSERT INTO shown (id, size) VALUES (1, 0);

-- Where the ledger ends. One row, locked first by every append.
CREATE TABLE head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL,
    chain_hash BLOB NOT NULL CHECK (length(chain_hash) = 32),
    frontier BLOB NOT NULL,
    time_ms BIGINT NOT NULL,
    lock_count BIGINT NOT NULL
);
INSERT INTO head (id, size, chain_hash, frontier, time_ms, lock_count)
VALUES (1, 0, x'0000000000000000000000000000000000000000000000000000000000000000', x'', 0, 0);

-- The values behind commitments. Erasable: a row may go, the ledger still verifies.
CREATE TABLE openings (
    idx BIGINT NOT NULL,
    pointer TEXT NOT NULL,
    salt BLOB NOT NULL CHECK (length(salt) = 32),
    value TEXT NOT NULL,
    PRIMARY KEY (idx, pointer)
);

-- Derived: what replaying the entries gives. Can be rebuilt from them.
CREATE TABLE records (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id, kind)
);
CREATE INDEX records_registry ON records (kind, id) WHERE kind IN ('organisation', 'site', 'scale', 'key');

-- Derived: which entries concern an organisation, a site or an item.
CREATE TABLE mentions (
    subject TEXT NOT NULL,
    idx BIGINT NOT NULL,
    PRIMARY KEY (subject, idx)
);

-- Derived: grams by account and site ('' is no site).
CREATE TABLE accounts (
    account TEXT NOT NULL,
    site TEXT NOT NULL,
    grams BIGINT NOT NULL,
    PRIMARY KEY (account, site)
);

-- Who may call: secrets are kept as SHA-256.
CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    secret_sha256 BLOB NOT NULL CHECK (length(secret_sha256) = 32),
    organisation TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    revoked_ms BIGINT
);

-- Keys of those who cannot keep one, sealed under a key that is not in this database.
CREATE TABLE hosted_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    organisation TEXT NOT NULL,
    purpose TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX hosted_keys_organisation ON hosted_keys (organisation);

CREATE TRIGGER entries_refuse_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER entries_refuse_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER tiles_refuse_update BEFORE UPDATE ON tiles BEGIN SELECT RAISE(ABORT, 'tiles is append-only'); END;
CREATE TRIGGER tiles_refuse_delete BEFORE DELETE ON tiles BEGIN SELECT RAISE(ABORT, 'tiles is append-only'); END;
CREATE TRIGGER checkpoints_refuse_update BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints is append-only'); END;
CREATE TRIGGER checkpoints_refuse_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints is append-only'); END;
