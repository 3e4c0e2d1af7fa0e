//! Ways by which messages leave the server.
