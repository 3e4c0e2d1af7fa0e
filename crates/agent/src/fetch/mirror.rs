//! Files from a mirror: a web server of anybody's that has what `lockstep release mirror` wrote.
//!
//! Only bundles and deltas come from there, and only their hashes decide whether they are taken. The metadata is always
//! the server's, so a mirror that is old, broken or hostile costs time and nothing else.

use std::path::Path;
use std::time::Duration;

use lockstep_net::client::{Belief, HttpClient, Timeouts};
use tracing::{info, warn};

use super::Place;
use super::transfer::{Broken, Wanted, transfer};
use crate::words;

/// A mirror that is not there must not keep a host from its server for long.
const PATIENCE: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(15),
    stall: Duration::from_secs(15),
};

/// Which of both is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The mirror, if the host has one, and then the server.
    Both,
    /// The server alone: the mirror's bytes were wrong.
    Server,
}

/// Brings the part file to the wanted length. What the mirror has sent before it failed is gone on with by the server.
pub(super) async fn bring(
    wanted: Wanted<'_>,
    ask: Ask,
    place: &Place,
    client: &HttpClient,
    part: &Path,
) -> Result<(), Broken> {
    if let (Ask::Both, Some(url)) = (ask, &place.mirror) {
        match from_mirror(url, wanted, place, part).await {
            Ok(()) => {
                info!(mirror = url, path = wanted.path, "fetched from the mirror");
                return Ok(());
            }
            Err(why) => warn!(
                mirror = url,
                why, "the mirror does not hand it out, the server is asked"
            ),
        }
    }
    transfer(wanted, client, part).await
}

async fn from_mirror(
    url: &str,
    wanted: Wanted<'_>,
    place: &Place,
    part: &Path,
) -> Result<(), String> {
    let unusable = |error: lockstep_net::SetupError| words(&error);
    // Without TLS nobody need be believed, and a host may have no authorities at all.
    let belief = match url.starts_with("http://") {
        true => Belief::in_anyone(&place.clock),
        false => Belief::as_the_system(&place.clock).await,
    };
    let belief = belief.map_err(unusable)?;
    let client = HttpClient::of_mirror(url, &belief, PATIENCE, &place.clock).map_err(unusable)?;
    let sent = transfer(wanted, &client, part).await;
    sent.map_err(|broken| words(&broken))
}
