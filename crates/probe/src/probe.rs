//! What a probe is.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{Glob, HostName, ItemName, Setting, Snmp, Value, Verdict};
use lockstep_net::Clock;

use crate::aside::Aside;
use crate::kernel::Kernel;
use crate::programs::Programs;
use crate::{Permits, Secrets};

/// One source of values. It is made once for an entry of the work document and asked again and again; what it must
/// remember between two looks (a counter, a position in a file) it keeps itself.
pub(crate) trait Probe: fmt::Debug + Send + Sync {
    /// Looks once. An item that could not be read is there all the same, with [`Value::None`] and the reason. The
    /// future may be dropped at its deadline: whatever it started must then end by itself.
    fn look(self: Arc<Self>, at: Timestamp) -> Look;

    /// True for a look that costs microseconds and asks nobody: such probes are looked at together, as often as they
    /// are wanted, however many others are under way.
    fn is_cheap(&self) -> bool {
        false
    }
}

/// A look under way.
pub(crate) type Look = Pin<Box<dyn Future<Output = Vec<Found>> + Send>>;

/// What a look found of one item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// The item.
    pub(crate) item: ItemName,
    /// Its value.
    pub(crate) value: Value,
    /// The probe's own judgement, if it has one.
    pub(crate) verdict: Option<Verdict>,
}

impl Found {
    /// A value without a judgement, or why there is none.
    pub(crate) fn new(item: ItemName, value: Result<Value, String>) -> Self {
        Self {
            item,
            value: value.unwrap_or_else(Value::None),
            verdict: None,
        }
    }
}

/// What a probe is asked to watch: one entry of the work document.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The item, or a pattern for several: `disk_usage:*`.
    pub(crate) name: Glob,
    /// After this time the look is given up.
    pub(crate) timeout: Duration,
    /// The probe's options.
    pub(crate) options: BTreeMap<String, Setting>,
    /// The host that is watched, when it is not this one.
    pub(crate) target: Option<Target>,
    /// What this host lets its server ask for.
    pub(crate) permits: Arc<Permits>,
    /// The secrets of this host, by name.
    pub(crate) secrets: Arc<Secrets>,
    /// Where the kernel's `proc` file system is.
    pub(crate) proc: PathBuf,
    /// Where `/sys`, `/var` and so on lie; `/` but for tests.
    pub(crate) root: PathBuf,
    /// Where a probe may keep what it must remember over a restart; none: it remembers until then.
    pub(crate) state_dir: Option<PathBuf>,
    /// The name of this host in the fleet, if it is known.
    pub(crate) this_host: Option<HostName>,
    /// What says whether a certificate is valid. The time of a look is its argument.
    pub(crate) clock: Clock,
    /// For calls into the kernel that may never return.
    pub(crate) aside: Arc<Aside>,
    /// What the probes of the kernel share.
    pub(crate) kernel: Arc<Kernel>,
    /// Where programs are noted that were run.
    pub(crate) programs: Arc<Programs>,
}

/// A host that has no agent and is watched from here.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its name in the fleet.
    pub(crate) host: HostName,
    /// Its address.
    pub(crate) address: String,
    /// How it is asked by SNMP.
    pub(crate) snmp: Option<Snmp>,
}

impl Order {
    /// The probe's name: what stands before the first colon.
    pub(crate) fn probe(&self) -> &str {
        self.name.as_str().split(':').next().unwrap_or_default()
    }

    /// What stands behind the first colon.
    pub(crate) fn object(&self) -> Option<&str> {
        self.name.as_str().split_once(':').map(|(_, object)| object)
    }

    /// The item that the entry names; an error if it is a pattern for several, or cannot be an item.
    pub(crate) fn item(&self) -> Result<ItemName, String> {
        if !self.name.is_plain() {
            return Err(format!(
                "{} cannot be discovered: name one without * and ?",
                self.name
            ));
        }
        ItemName::parse(self.name.as_str())
    }

    /// An order for this machine as if it had been read from a work document, for tests: change what matters.
    #[cfg(test)]
    pub(crate) fn for_test(name: &str) -> Self {
        Self {
            name: Glob::parse(name).unwrap(),
            timeout: Duration::from_secs(10),
            options: BTreeMap::new(),
            target: None,
            permits: Arc::default(),
            secrets: Arc::default(),
            proc: "/proc".into(),
            root: "/".into(),
            state_dir: None,
            this_host: None,
            clock: Clock::system(),
            aside: Arc::default(),
            kernel: Arc::new(Kernel::new("/proc".into(), "/".into(), Vec::new())),
            programs: Arc::default(),
        }
    }
}
