-- In which form records, mentions and accounts are kept. They are derived: software that keeps another form writes them
-- anew from the entries when it opens the ledger.
CREATE TABLE derived (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    form BIGINT NOT NULL
);
INSERT INTO derived (id, form) VALUES (1, 1);
