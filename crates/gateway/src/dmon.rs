//! dmon: its server's and its client's commands.
