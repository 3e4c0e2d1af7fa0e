-- Locks, commands for runs that have stopped, and the chain of records.
--
-- Portable DDL as before. `state`, `document` and `subject` hold JSON.

-- A lock of which nothing is known has no row. `fence` is the number of the newest grant, as `state` says it too: a row
-- that has given one is never deleted, so that no number is given twice.
CREATE TABLE locks (
    name TEXT NOT NULL PRIMARY KEY,
    fence BIGINT NOT NULL,
    state TEXT NOT NULL
);

-- The last command for each run. `document` is null once the host has gone on; `number` stays, because it must grow.
CREATE TABLE run_commands (
    run TEXT NOT NULL PRIMARY KEY REFERENCES runs (id),
    host TEXT NOT NULL,
    number BIGINT NOT NULL,
    document TEXT
);
CREATE INDEX run_commands_by_host ON run_commands (host);

-- Everything that hosts and operators did; each entry has the hash of the one before it.
CREATE TABLE chain (
    number BIGINT NOT NULL PRIMARY KEY,
    before_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
);

-- One row: the newest entry's place, also when the entry itself is forgotten. Whoever appends locks it.
CREATE TABLE chain_head (
    id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    before_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);

-- They are few, and counted often.
CREATE INDEX runs_that_stopped ON runs (host) WHERE outcome = 'stopped';
