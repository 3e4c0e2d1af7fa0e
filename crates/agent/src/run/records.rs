//! The place of a record in the host's own chain.

use lockstep_host::{Layout, machine};
use lockstep_model::{HostName, RunRecord};
use tracing::error;

use super::chain::HostChain;
use crate::{Identity, words};

/// Adds a record to the host's chain, and returns it with its place there.
pub(crate) fn linked(layout: &Layout, mut record: RunRecord) -> RunRecord {
    record.link = None;
    let body = match serde_json::to_string(&record) {
        Ok(body) => body,
        Err(error) => {
            error!(%error, "the record of a run cannot be written down");
            return record;
        }
    };
    match HostChain::new(layout).append(&host(layout), body, record.at) {
        Ok(link) => record.link = Some(link),
        // A host whose chain is damaged must be mended; until then it can still be kept on the right version, and the
        // server sees by the missing link that something is wrong.
        Err(error) => error!(
            error = words(&error),
            "the record of a run could not be added to this host's chain"
        ),
    }
    record
}

/// The name in the certificate; of a host that has none, the machine's own name for itself.
pub(super) fn host(layout: &Layout) -> HostName {
    if let Ok(identity) = Identity::load(layout) {
        return identity.host;
    }
    let name = machine::hostname().to_ascii_lowercase();
    HostName::parse(&name)
        .or_else(|_| HostName::parse("localhost"))
        .expect("\"localhost\" is a name")
}
