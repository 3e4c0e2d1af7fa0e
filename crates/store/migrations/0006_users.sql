-- Users, how they sign in, and the API tokens of theirs.
--
-- `operators` keeps its name and becomes the table of API tokens. Before this step every token could do everything, so
-- each name among them becomes a user who may. `password` is a PHC string; nobody signs in as a user without one. The id
-- of a session is the hash of the secret that the browser has. `who` is a user, an address, or both.

CREATE TABLE users (
    name TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT,
    created_at BIGINT NOT NULL,
    signed_in_at BIGINT,
    removed_at BIGINT
);
INSERT INTO users (name, role, created_at)
    SELECT name, 'admin', MIN(created_at) FROM operators GROUP BY name;

ALTER TABLE operators ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE operators ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE operators ADD COLUMN expires_at BIGINT;
ALTER TABLE operators ADD COLUMN used_at BIGINT;
CREATE INDEX operators_by_name ON operators (name);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL REFERENCES users (name),
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    came_from TEXT NOT NULL
);
CREATE INDEX sessions_by_name ON sessions (name);

CREATE TABLE sign_in_failures (
    who TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX sign_in_failures_by_time ON sign_in_failures (last_at);
