-- The first tables.
--
-- Portable DDL, the same for SQLite and PostgreSQL: TEXT and BIGINT alone, no autoincrement. A column that ends in
-- `_at` holds milliseconds since 1970 UTC; names, versions, hashes and identities are the text that `model` parses;
-- `report`, `brief`, `record`, `facts` and `document` hold JSON.

CREATE TABLE hosts (
    name TEXT NOT NULL PRIMARY KEY,
    key TEXT NOT NULL,
    facts TEXT NOT NULL,
    enrolled_at BIGINT NOT NULL,
    removed_at BIGINT
);

CREATE TABLE certificates (
    serial TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL REFERENCES hosts (name),
    key TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    not_after_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX certificates_by_host ON certificates (host);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    uses BIGINT NOT NULL,
    used BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    host TEXT,
    created_by TEXT NOT NULL,
    revoked BIGINT NOT NULL
);

-- Who used a token, so that the same host can ask again when the answer was lost.
CREATE TABLE token_uses (
    token TEXT NOT NULL REFERENCES tokens (id),
    key TEXT NOT NULL,
    host TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (token, key, host)
);
CREATE INDEX token_uses_by_host ON token_uses (host);

CREATE TABLE operators (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

-- `brief` is the part of the report that decisions over the whole fleet need: they read it of every host.
CREATE TABLE reports (
    host TEXT NOT NULL PRIMARY KEY REFERENCES hosts (name),
    received_at BIGINT NOT NULL,
    brief TEXT NOT NULL,
    report TEXT NOT NULL
);

CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL REFERENCES hosts (name),
    generation BIGINT NOT NULL,
    outcome TEXT,
    record_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX runs_by_host ON runs (host, id);
CREATE INDEX runs_by_generation ON runs (generation, id);

CREATE TABLE repo_files (
    name TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

-- One row: how often the repository was published, and the version of its newest targets.
CREATE TABLE repo_state (
    id TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    targets_version BIGINT
);

CREATE TABLE releases (
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    platform TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (package, version, platform)
);

CREATE TABLE rollouts (
    id BIGINT NOT NULL PRIMARY KEY,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX rollouts_by_channel ON rollouts (channel, package, id);

CREATE TABLE channels (
    channel TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    rollout BIGINT NOT NULL REFERENCES rollouts (id),
    PRIMARY KEY (channel, package)
);

CREATE TABLE decisions (
    rollout BIGINT NOT NULL REFERENCES rollouts (id),
    number BIGINT NOT NULL,
    decided_at BIGINT NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (rollout, number)
);

CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    number BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    done_at BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (done_at, id);
