//! A machine for tests: a directory that stands for `/`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::Setting;
use tempfile::TempDir;

use crate::aside::Aside;
use crate::kernel::fake;
use crate::probe::{Found, Order};

pub(crate) struct World {
    dir: TempDir,
    aside: Arc<Aside>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            aside: Arc::default(),
        }
    }

    /// The directory, without links in its own path.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file below it.
    pub(crate) fn put(&self, path: impl AsRef<Path>, text: &str) {
        fake::put(&self.dir, path, text);
    }

    /// Sets when a file below it was changed.
    pub(crate) fn touch(&self, path: &str, second: i64) {
        let time = rustix::fs::Timespec {
            tv_sec: second,
            tv_nsec: 0,
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        let path = self.root().join(path);
        rustix::fs::utimensat(rustix::fs::CWD, &path, &times, rustix::fs::AtFlags::empty())
            .unwrap();
    }

    /// An entry of a work document for this machine.
    pub(crate) fn order(&self, name: &str) -> Order {
        Order {
            timeout: Duration::from_secs(60),
            proc: self.root().join("proc"),
            root: self.root().into(),
            state_dir: Some(self.root().join("state")),
            aside: Arc::clone(&self.aside),
            ..Order::for_test(name)
        }
    }

    /// One with the option `pattern`.
    pub(crate) fn order_with(&self, name: &str, pattern: &str) -> Order {
        let mut order = self.order(name);
        order
            .options
            .insert("pattern".into(), Setting::Text(pattern.into()));
        order
    }

    /// Makes the probe for an entry and looks once.
    pub(crate) async fn look(&self, name: &str, second: i64) -> Vec<Found> {
        look(&self.order(name), second).await
    }

    /// The same, for one item in words: `active (running)`, `2.00`, `none (why)`.
    pub(crate) async fn value(&self, name: &str, second: i64) -> String {
        match &self.look(name, second).await[..] {
            [found] => found.value.to_string(),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Makes the probe for an entry and looks once.
pub(crate) async fn look(order: &Order, second: i64) -> Vec<Found> {
    let probe = super::find(order).unwrap().unwrap();
    probe.look(at(second)).await
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What was found, one line for each item: name, value, level and why.
pub(crate) fn lines(found: &[Found]) -> Vec<String> {
    let line = |found: &Found| {
        let verdict = match &found.verdict {
            Some(verdict) => format!(" [{}] {}", verdict.level.name(), verdict.why),
            None => String::new(),
        };
        format!("{} = {}{verdict}", found.item, found.value)
            .trim_end()
            .to_owned()
    };
    found.iter().map(line).collect()
}
