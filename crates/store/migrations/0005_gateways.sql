-- Hosts that speak through gateways, with other systems' clients.
--
-- They stand among the hosts like all others. What is kept here beside is what a host with our agent keeps itself: what
-- its fitness functions remember, the number of its next event, and the run that it is in. `speaks` says in a word when it
-- is to be heard of: such hosts are looked at every second, their documents are not.

CREATE TABLE foreign_hosts (
    host TEXT PRIMARY KEY,
    speaks TEXT NOT NULL,
    document TEXT NOT NULL
);
