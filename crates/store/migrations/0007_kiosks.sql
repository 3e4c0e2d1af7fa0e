-- Kiosk tokens: by what screens on walls show the problems, and nothing else. Of a secret only the hash is kept.

CREATE TABLE kiosks (
    id TEXT NOT NULL PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    label TEXT NOT NULL,
    made_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    used_at BIGINT,
    used_from TEXT NOT NULL DEFAULT ''
);
