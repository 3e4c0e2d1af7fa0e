//! Every environment variable that the command looks at.

/// The root below which an agent keeps everything, as `--root` does.
#[cfg(feature = "agent")]
pub(crate) const ROOT: &str = "LOCKSTEP_ROOT";
/// The file that lets the command line work as an operator, as `--operator` does.
#[cfg(feature = "server")]
pub(crate) const OPERATOR: &str = "LOCKSTEP_OPERATOR";
/// A file with the passphrase of the publisher's keys, as `--passphrase-file` does.
#[cfg(feature = "server")]
pub(crate) const PASSPHRASE_FILE: &str = "LOCKSTEP_PASSPHRASE_FILE";
/// What is logged, in the syntax of `tracing_subscriber::filter::Targets`: `debug`, or `info,lockstep_agent=debug`.
pub(crate) const LOG: &str = "LOCKSTEP_LOG";
/// A directory in which what runs for long keeps its log as well: a file for each day, of which eight are kept. For
/// hosts without a journal.
pub(crate) const LOG_DIR: &str = "LOCKSTEP_LOG_DIR";
