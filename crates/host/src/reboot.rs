//! Restarting the machine.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::exec::{Exec, Finished};

/// What restarts a machine, where nothing else is configured.
pub const DEFAULT: [&str; 2] = ["systemctl", "reboot"];

/// How long the command may take. It only orders the restart, which comes later.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Runs the command that restarts the machine: a program, looked for in the usual `PATH`, and its arguments. It runs
/// with a clean environment in `/`.
///
/// Its success means no more than that the restart was ordered. Whether it came is seen by the boot id
/// ([`boot_id`](crate::machine::boot_id)). A command that fails or is killed at its limit is told by what is
/// returned; an error means that it could not be started.
pub async fn reboot(command: &[String], limit: Duration) -> Result<Finished> {
    let Some((program, args)) = command.split_first() else {
        let purpose = "restart the machine";
        return Err(Error::NoCommand { purpose });
    };
    Exec::new(program, limit).args(args).clean().run().await
}
