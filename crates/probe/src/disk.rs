//! `disk_usage`, `disk_free` and `inode_usage`: how full the file systems are.

mod mounts;
mod space;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use lockstep_model::{Glob, ItemName, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::aside::Aside;
use crate::kernel::{Kernel, read};
use crate::probe::{Found, Look, Order, Probe};

pub(crate) use space::{Measure, Space, statvfs};

/// Most file systems that are looked at: those with the first names, `/` among them.
pub(crate) const MOST_MOUNTS: usize = 32;

/// What is wanted of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// `disk_usage`.
    Usage,
    /// `disk_free`.
    Free,
    /// `inode_usage`.
    Inodes,
}

/// One quantity of one file system, or of several.
#[derive(Debug)]
pub(crate) struct FileSystems {
    name: Glob,
    /// The name before its colon, with it.
    prefix: String,
    points: Glob,
    quantity: Quantity,
    timeout: Duration,
    kernel: Arc<Kernel>,
    aside: Arc<Aside>,
}

/// Where local file systems are mounted, read once in a round.
type Mounts = OnceLock<Result<Arc<Vec<String>>, String>>;
/// What a file system answered in this round. An error is why it did not.
type Answer = OnceCell<Result<Option<Space>, String>>;

impl FileSystems {
    pub(crate) fn new(order: &Order, quantity: Quantity) -> Result<Self, String> {
        let probe = order.probe();
        let object = order
            .object()
            .filter(|object| object.starts_with(['/', '*']));
        let points = Glob::parse(object.unwrap_or_default()).map_err(|_| {
            format!(
                "{probe} needs a directory: {probe}:/var, or {probe}:* for all that are mounted"
            )
        })?;
        ItemName::parse(order.name.as_str())?;
        Ok(Self {
            name: order.name.clone(),
            prefix: format!("{probe}:"),
            points,
            quantity,
            timeout: order.timeout,
            kernel: Arc::clone(&order.kernel),
            aside: Arc::clone(&order.aside),
        })
    }

    /// All are asked at once, so that one that hangs delays no other.
    async fn find(&self, at: Timestamp) -> Vec<Found> {
        let deadline = Instant::now() + self.timeout;
        if self.points.is_plain() {
            let point = self.points.as_str();
            let value = match self.space(point, at, deadline).await {
                Ok(Some(space)) => self
                    .value(space)
                    .ok_or_else(|| "the file system makes inodes as it needs them".into()),
                Ok(None) => Err(format!(
                    "{point} is no directory of a file system with room"
                )),
                Err(why) => Err(why),
            };
            return self.found(point, value).into_iter().collect();
        }
        let points = match self.mounts() {
            Ok(points) => points,
            Err(why) => {
                let item = ItemName::parse(self.name.as_str());
                return item
                    .map(|item| Found::new(item, Err(why)))
                    .into_iter()
                    .collect();
            }
        };
        let wanted = points.iter().filter(|point| self.points.matches(point));
        let looks = wanted.take(MOST_MOUNTS).map(async |point| {
            let value = match self.space(point, at, deadline).await {
                Ok(space) => Ok(self.value(space?)?),
                Err(why) => Err(why),
            };
            self.found(point, value)
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// Asks a file system, or waits for the answer to who asked it before in this round.
    async fn space(
        &self,
        point: &str,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<Space>, String> {
        let key = format!("file system {point}");
        let cell = self.kernel.cell::<Answer>(&key);
        let ask = async || {
            let (measure, path) = (Arc::clone(&self.kernel.measure), PathBuf::from(point));
            let asked = self.aside.ask(&key, at, move || measure(&path));
            let answer: io::Result<Option<Space>> = asked.answer(deadline).await?;
            answer.map_err(|error| format!("its space cannot be read: {error}"))
        };
        cell.get_or_init(ask).await.clone()
    }

    fn value(&self, space: Space) -> Option<Value> {
        match self.quantity {
            Quantity::Usage => Some(space.usage()),
            Quantity::Free => Some(space.free()),
            Quantity::Inodes => space.inode_usage(),
        }
    }

    /// A directory whose name cannot be an item is passed over.
    fn found(&self, point: &str, value: Result<Value, String>) -> Option<Found> {
        let item = ItemName::parse(&format!("{}{point}", self.prefix))
            .inspect_err(|why| tracing::debug!(point, why, "a mount cannot be an item"))
            .ok()?;
        Some(Found::new(item, value))
    }

    fn mounts(&self) -> Result<Arc<Vec<String>>, String> {
        let cell = self.kernel.cell::<Mounts>("mounts");
        cell.get_or_init(|| {
            let bytes = read(&self.kernel.proc.join("self/mountinfo"))?;
            Ok(Arc::new(mounts::local(&bytes)))
        })
        .clone()
    }
}

impl Probe for FileSystems {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move { self.find(at).await })
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
