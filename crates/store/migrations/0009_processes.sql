-- Who was at work on a host when something went wrong on it last: the newest note of each host.

CREATE TABLE host_processes (
    host TEXT NOT NULL PRIMARY KEY,
    received_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
