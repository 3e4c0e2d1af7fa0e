//! What the server keeps: SQLite and PostgreSQL from one SQL text, artifacts on disk.
