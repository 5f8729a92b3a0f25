-- What witnesses said of checkpoints: beside the ledger, no entry rests on it, and what is lost is asked for again. Of one
-- checkpoint and witness the newest is kept.
CREATE TABLE cosignatures (
    size BIGINT NOT NULL,
    witness TEXT NOT NULL,
    time BIGINT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (size, witness)
);
