-- What rollouts compare with, and versions that they have found wanting.
--
-- Portable DDL as before. `document` holds JSON.

-- How hosts stood when a wave was opened or when they were let go, in the order in which it was written down.
CREATE TABLE baselines (
    rollout BIGINT NOT NULL REFERENCES rollouts (id),
    number BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (rollout, number)
);

-- Versions that a gate found wanting, until a person says otherwise.
CREATE TABLE suspects (
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (package, version)
);
