//! `disk_usage`: how full the local file systems are.

mod mounts;
mod space;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};
use tokio::time::Instant;

use crate::aside::{Aside, Pending};
use crate::kernel;

pub(crate) use space::{Measure, Space, statvfs};

/// Most file systems that are looked at: those with the first names, `/` among them.
pub(crate) const MOST_MOUNTS: usize = 32;

/// File systems that have been asked for their space.
#[derive(Debug)]
pub(crate) struct Asked {
    mounts: Vec<(ItemName, Pending<std::io::Result<Option<Space>>>)>,
    /// There is no list of mounts, and this is why.
    unknown: Option<String>,
}

/// Asks every local file system for its space.
pub(crate) fn ask(proc: &Path, measure: &Arc<Measure>, aside: &Aside, now: Timestamp) -> Asked {
    let text = match kernel::read(&proc.join("self/mountinfo")) {
        Ok(bytes) => bytes,
        Err(why) => {
            return Asked {
                mounts: Vec::new(),
                unknown: Some(why),
            };
        }
    };
    let mut points = mounts::local(&text);
    if points.len() > MOST_MOUNTS {
        tracing::debug!(
            mounts = points.len(),
            looked_at = MOST_MOUNTS,
            "too many mounts"
        );
        points.truncate(MOST_MOUNTS);
    }
    let mounts = points.into_iter().filter_map(|point| {
        let name = ItemName::parse(&format!("disk_usage:{point}"))
            .inspect_err(|why| tracing::debug!(point, why, "a mount cannot be an item"))
            .ok()?;
        let (measure, path) = (Arc::clone(measure), PathBuf::from(point));
        let pending = aside.ask(name.as_str(), now, move || measure(&path));
        Some((name, pending))
    });
    Asked {
        mounts: mounts.collect(),
        unknown: None,
    }
}

impl Asked {
    /// The answers that are there by the deadline, and why the others are not.
    pub(crate) async fn answers(self, deadline: Instant) -> Vec<(ItemName, Value)> {
        let mut values = Vec::new();
        if let Some(why) = self.unknown {
            let root = ItemName::parse("disk_usage:/").expect("it is an item's name");
            values.push((root, Value::None(why)));
        }
        for (item, pending) in self.mounts {
            let value = match pending.answer(deadline).await {
                Ok(Ok(Some(space))) => space.usage(),
                Ok(Ok(None)) => continue,
                Ok(Err(error)) => Value::None(format!("its space cannot be read: {error}")),
                Err(why) => Value::None(why),
            };
            values.push((item, value));
        }
        values
    }
}
