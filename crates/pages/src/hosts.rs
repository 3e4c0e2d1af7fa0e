//! Hosts: the list, and the matrix of hosts and items.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_model::api::operator::HostView;
use lockstep_model::{ItemState, Phase};

/// One host, as pages of many hosts show it.
#[derive(Debug, Clone)]
pub struct HostLine {
    /// The host; its level is the worst of its items, or the worst there is while it is silent.
    pub view: HostView,
    /// True if it has missed three reports.
    pub silent: bool,
    /// The states of its items, by name.
    pub items: Arc<[ItemState]>,
    /// Its groups, by the fleet file.
    pub groups: Vec<String>,
    /// Its labels, by the fleet file and by its own word.
    pub labels: BTreeMap<String, String>,
    /// The phase of the run that it is in.
    pub in_run: Option<Phase>,
    /// Problems that nobody is on and nothing explains.
    pub unhandled: usize,
}
