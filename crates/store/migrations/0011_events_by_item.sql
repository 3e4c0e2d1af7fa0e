-- The last event of each item up to a moment, and the first one after it, without reading the events themselves.

CREATE INDEX events_by_item ON events (host, item, happened_at, number, id, level);
