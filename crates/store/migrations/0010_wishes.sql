-- What operators wish of hosts: the newest wish of each verb. `open_until` is its end while hosts are to be told of it, and
-- 0 once it was taken back. A host that is removed keeps the number, without a document, so that no number comes twice.

CREATE TABLE host_wishes (
    host TEXT NOT NULL,
    verb TEXT NOT NULL,
    number BIGINT NOT NULL,
    open_until BIGINT NOT NULL,
    document TEXT,
    PRIMARY KEY (host, verb)
);
CREATE INDEX host_wishes_by_end ON host_wishes (open_until);
