-- Views that users have kept: a page of ours with its filters, under a name. `address` is path and question, never more.

CREATE TABLE saved_views (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (name),
    page TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    shared BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX saved_views_by_name ON saved_views (owner, page, name);
