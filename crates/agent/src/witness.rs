//! The witness: one call to the server by the version that is current, while a candidate on probation does not get
//! through. It tells a broken candidate from a broken network.

use lockstep_host::Layout;
use lockstep_model::Version;
use lockstep_net::Clock;
use lockstep_net::client::CallError;
use tracing::debug;

use crate::config::AgentConfig;
use crate::{Error, Identity, words};

/// True if any of the host's servers answers this version. A server that says it has too much to do counts as not
/// answering: it would say so to the candidate too.
pub async fn witness(layout: &Layout, clock: &Clock) -> Result<bool, Error> {
    let config = AgentConfig::load(&layout.config())?;
    let identity = Identity::load(layout)?;
    let version = Version::of_this_program();
    for server in &config.servers {
        let client = identity.client(server, &version, clock)?;
        match client.get_capped("/agent/v1/ping", 1024).await {
            Ok(_) => return Ok(true),
            // Any other refusal is the answer of a server that had the time for it.
            Err(CallError::Refused { status, .. }) if status != 429 && status < 500 => {
                return Ok(true);
            }
            Err(error) => debug!(server, error = words(&error), "no answer"),
        }
    }
    Ok(false)
}
