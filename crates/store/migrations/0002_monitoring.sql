-- Monitoring: what happened, what is not well, what was changed, who is told.
--
-- Portable DDL as before. `via` is the host whose agent said so, and empty for the server itself. Hosts that have no
-- agent are known by name alone, so nothing here refers to `hosts`.

-- Each event once, whatever is sent twice: `via`, `series` and `number` are its identity at its origin.
CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    via TEXT NOT NULL,
    series TEXT NOT NULL,
    number BIGINT NOT NULL,
    host TEXT NOT NULL,
    item TEXT NOT NULL,
    level BIGINT NOT NULL,
    happened_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX events_by_number ON events (via, series, number);
CREATE INDEX events_by_host ON events (host, id);
CREATE INDEX events_by_origin ON events (via, happened_at);
CREATE INDEX events_by_time ON events (received_at);

-- From `base` through `through` all events of the series were stored once, even if they are forgotten by now.
CREATE TABLE event_series (
    via TEXT NOT NULL,
    series TEXT NOT NULL,
    base BIGINT NOT NULL,
    through BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (via, series)
);

-- Whose word is how old: `told_at` is the newest report by the host's clock, `received_at` by the server's.
CREATE TABLE reporters (
    host TEXT NOT NULL PRIMARY KEY,
    told_at BIGINT,
    received_at BIGINT,
    boot_id TEXT
);

-- The items that are not well now.
CREATE TABLE troubles (
    host TEXT NOT NULL,
    item TEXT NOT NULL,
    via TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (host, item)
);
CREATE INDEX troubles_by_via ON troubles (via);

-- Hosts without an agent, as the one that watches them saw them last.
CREATE TABLE watched (
    host TEXT NOT NULL PRIMARY KEY,
    via TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    items TEXT NOT NULL
);
CREATE INDEX watched_by_via ON watched (via);

-- The last day, coarse; `slot` is the time divided by the length of a slot.
CREATE TABLE snapshots (
    host TEXT NOT NULL,
    slot BIGINT NOT NULL,
    taken_at BIGINT NOT NULL,
    items TEXT NOT NULL,
    PRIMARY KEY (host, slot)
);
CREATE INDEX snapshots_by_time ON snapshots (taken_at);

-- `what` is unique among the changes of one host: the run, the boot id, or the time.
CREATE TABLE changes (
    host TEXT NOT NULL,
    what TEXT NOT NULL,
    happened_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (host, what)
);
CREATE INDEX changes_by_time ON changes (happened_at);

CREATE TABLE silences (
    id TEXT NOT NULL PRIMARY KEY,
    ends_at BIGINT NOT NULL,
    ended_by TEXT,
    document TEXT NOT NULL
);
CREATE INDEX silences_by_end ON silences (ends_at);

CREATE TABLE acks (
    host TEXT NOT NULL,
    item TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    until_at BIGINT,
    document TEXT NOT NULL,
    PRIMARY KEY (host, item)
);

-- What the decider of alerts remembers; only it knows what the entries mean.
CREATE TABLE alert_book (
    name TEXT NOT NULL PRIMARY KEY,
    entry TEXT NOT NULL
);

-- One row for each way of each message. Those of one `lane` go one after the other. `claimed_until_at` keeps two servers from sending one twice.
CREATE TABLE deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    receiver TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    claimed_until_at BIGINT NOT NULL,
    lane TEXT NOT NULL,
    way TEXT NOT NULL,
    notice TEXT NOT NULL,
    error TEXT
);
CREATE INDEX deliveries_by_state ON deliveries (state, due_at);
CREATE INDEX deliveries_by_lane ON deliveries (lane, state, created_at);
CREATE INDEX deliveries_by_time ON deliveries (created_at, id);

CREATE TABLE fleet_versions (
    version BIGINT NOT NULL PRIMARY KEY,
    accepted_at BIGINT NOT NULL,
    accepted_by TEXT NOT NULL,
    hash TEXT NOT NULL,
    files TEXT NOT NULL
);
