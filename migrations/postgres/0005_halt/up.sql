-- Why the ledger was halted, and why somebody let it go on.
CREATE TABLE halts (
    number BIGINT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    halted_ms BIGINT NOT NULL,
    -- Empty, and 0, as long as it stands.
    because TEXT NOT NULL,
    resumed_ms BIGINT NOT NULL
);
-- The halt that stands; 0 is none. Beside the head, because every append locks and reads that row first: once a halt is
-- written no node commits anything after it.
ALTER TABLE head ADD COLUMN halted BIGINT NOT NULL DEFAULT 0;
