-- Statements that name what nobody has said yet, kept outside the ledger until it is there, their time is over or their
-- author takes them back. Neither replay nor audit looks here; rows go, with their openings.
CREATE TABLE waiting (
    -- The order in which they were posted.
    number BIGINT NOT NULL PRIMARY KEY,
    organisation TEXT NOT NULL,
    statement_id TEXT NOT NULL,
    type_name TEXT NOT NULL,
    payload_sha256 BLOB NOT NULL CHECK (length(payload_sha256) = 32),
    -- Empty, like the openings, once it was refused or has expired.
    jws TEXT NOT NULL,
    -- A JSON list.
    openings TEXT NOT NULL,
    -- Of statement and openings.
    bytes BIGINT NOT NULL,
    -- Whose token posted it.
    posted_by TEXT NOT NULL,
    posted_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    standing TEXT NOT NULL,
    -- At which it found an item that had still to move.
    turns BIGINT NOT NULL,
    -- The record that it waits for, and where it names it.
    awaited_kind TEXT NOT NULL,
    awaited_id TEXT NOT NULL,
    awaited_pointer TEXT NOT NULL,
    -- Why it was refused at its turn; empty if it was not.
    problem_code TEXT NOT NULL,
    problem_pointer TEXT NOT NULL,
    problem_detail TEXT NOT NULL
);
CREATE UNIQUE INDEX waiting_identity ON waiting (statement_id, organisation);
-- What a new record sets going.
CREATE INDEX waiting_awaited ON waiting (awaited_id);
-- What could not have its turn in the transaction that brought what it waited for.
CREATE INDEX waiting_standing ON waiting (standing, number);
-- Lists and totals, without reading the statements.
CREATE INDEX waiting_organisation ON waiting (organisation, number, bytes);
CREATE INDEX waiting_until ON waiting (until_ms);
