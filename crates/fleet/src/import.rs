//! Configuration of other monitors, translated to a fleet file.
//!
//! [`xymon()`] reads `hosts.cfg`, `client-local.cfg` and `analysis.cfg` of a Xymon server, [`dmon()`] the configuration and
//! the work configuration of the distributed monitor dmon. Both give an [`Imported`]: a fleet file that
//! [`Fleet::parse`] has found no mistake in, how much was taken over, and every part of a line that was not, with its
//! place and the reason. What was not taken over also stands in the fleet file, as a comment where it belongs.
//!
//! Nothing here reads a disk: [`Files`] does, and decides which files may be read. Texts come from outside, so every
//! name is checked before it is used and escaped where it is written, passwords are not repeated, and the number and
//! the size of files are bounded.

mod dmon;
mod expression;
mod lines;
mod report;
mod sheet;
mod write;
mod xymon;

pub use dmon::{Dmon, dmon};
pub use lines::Files;
pub use report::{Imported, Left};
pub use xymon::{Xymon, xymon};

use crate::fault::Errors;
use crate::fleet::Fleet;

/// Why nothing could be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file that was named cannot be read.
    #[error("{name} cannot be imported: {why}")]
    Read {
        /// The file.
        name: String,
        /// Why, and what to do.
        why: String,
    },
    /// What was made of it is no fleet file. That it is too large can happen; everything else is a mistake here.
    #[error("what was made of it is not a fleet file that can be used:\n{0}")]
    Fleet(Errors),
}

/// The name that errors call the new fleet file by.
const OUTPUT: &str = "fleet.toml";

/// Hands a fleet file out only if it can be used.
fn checked(text: String, report: report::Report) -> Result<Imported, ImportError> {
    Fleet::parse(vec![(OUTPUT.into(), text.clone())]).map_err(ImportError::Fleet)?;
    Ok(report.with(text))
}

#[cfg(test)]
mod tests;
