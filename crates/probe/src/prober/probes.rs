//! From an entry of the work document to its probe.

use std::path::PathBuf;
use std::sync::Arc;

use lockstep_model::HostName;
use lockstep_net::Clock;

use super::Find;
use super::entry::Identity;
use crate::aside::Aside;
use crate::kernel::Kernel;
use crate::probe::{Order, Probe, Target};
use crate::programs::Programs;
use crate::{Config, Permits, Secrets};

/// What it takes to find a probe.
pub(super) struct Probes {
    pub(super) find: Arc<Find>,
    pub(super) proc_root: PathBuf,
    pub(super) root: PathBuf,
    pub(super) permits: Arc<Permits>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) host: Option<HostName>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) clock: Clock,
    pub(super) aside: Arc<Aside>,
    pub(super) kernel: Arc<Kernel>,
    pub(super) programs: Arc<Programs>,
}

impl Probes {
    pub(super) fn new(
        config: Config,
        clock: Clock,
        find: Arc<Find>,
        programs: Arc<Programs>,
    ) -> Self {
        let kernel = Kernel::new(
            config.proc_root.clone(),
            config.root.clone(),
            config.agent_pids,
        );
        Self {
            find,
            proc_root: config.proc_root,
            root: config.root,
            permits: Arc::new(config.permits),
            secrets: Arc::new(config.secrets),
            host: config.host,
            state_dir: config.state_dir,
            clock,
            aside: Arc::default(),
            kernel: Arc::new(kernel),
            programs,
        }
    }

    /// The probe of an entry, or why there is none.
    pub(super) fn find(&self, identity: &Identity) -> Result<Arc<dyn Probe>, String> {
        let probe = (self.find)(&self.order(identity));
        if let Err(why) = &probe {
            let entry = &identity.name;
            tracing::warn!(%entry, why, "an entry of the work document cannot be watched");
        }
        probe
    }

    fn order(&self, identity: &Identity) -> Order {
        Order {
            name: identity.name.clone(),
            timeout: identity.timeout,
            options: identity.options.clone(),
            target: target(identity),
            permits: Arc::clone(&self.permits),
            secrets: Arc::clone(&self.secrets),
            proc: self.proc_root.clone(),
            root: self.root.clone(),
            state_dir: self.state_dir.clone(),
            this_host: self.host.clone(),
            clock: self.clock.clone(),
            aside: Arc::clone(&self.aside),
            kernel: Arc::clone(&self.kernel),
            programs: Arc::clone(&self.programs),
        }
    }
}

fn target(identity: &Identity) -> Option<Target> {
    Some(Target {
        host: identity.host.clone()?,
        address: identity.address.clone()?,
        snmp: identity.snmp.clone(),
    })
}
