//! From a release that somebody wants to a slot that is ready: metadata, bundle, unpacking, check.
//!
//! The worker brings the agent's own releases this way, a run of a bundle those of others. Nothing that the server says
//! is believed: the release must be listed in metadata that verifies from the root of the enrolment on, with the very
//! length and hash of the order, and the bytes must have them, before a single file is unpacked. Every step may be
//! entered again: a slot that is complete is not fetched, a bundle that is complete is not downloaded, a download goes
//! on where it broke.
//!
//! * [`listed`] says what the publisher signed; [`slot_of`] makes a slot of it, and uses `delta`, which leads there from
//!   a slot that is here, or `download`, which leads to the bundle's bytes in a file; [`check`] runs what must succeed in
//!   the slot. [`prepare`] is all of them in turn.

mod brought;
mod delta;
mod download;
mod mirror;
mod transfer;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{Layout, fault};
use lockstep_model::{Check, Outcome, PackageName, Platform, Release, RunReason, Version};
use lockstep_net::Clock;
use lockstep_net::client::{CallError, HttpClient};
use lockstep_plan::rollout::{Offer, next_hop};
use lockstep_plan::update::Order;
use tracing::{info, warn};

pub(crate) use self::brought::take;
use self::download::Names;
use crate::rehearsal::{Asker, rehearse, restart_to_end, under_way};
use crate::repository::{self, Repository};
use crate::{preflight, words};

/// Why there is no slot that is ready.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unready {
    /// It ended for good.
    Failed {
        /// Whether the release is to blame.
        outcome: Outcome,
        /// Why.
        reason: RunReason,
    },
    /// It did not work now.
    Again {
        /// Why.
        why: String,
        /// When it is to be tried again.
        after: Duration,
    },
}

/// What [`prepare`] is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Metadata and bundle.
    Fetch,
    /// The bundle becomes a slot.
    Unpack,
    /// The check in the slot.
    Check,
}

/// Is told of each stage before it begins, and has time to write it down.
pub(crate) trait Enter: Sync {
    /// The stage is about to begin; an error ends the fetch.
    fn enter(&self, stage: Stage) -> impl Future<Output = Result<(), Unready>> + Send;
}

/// Where a release is fetched to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) layout: Layout,
    /// The slot that is in force now; what the new one preserves is copied from there.
    pub(crate) current: Option<Slot>,
    pub(crate) clock: Clock,
    /// How long to wait after a failure.
    pub(crate) retry: Duration,
    /// A web server that is asked for files first.
    pub(crate) mirror: Option<String>,
}

/// Brings what is ordered into a slot, and runs its check there.
pub(crate) async fn prepare(
    order: &Order,
    place: &Place,
    client: &HttpClient,
    steps: &impl Enter,
) -> Result<Slot, Unready> {
    steps.enter(Stage::Fetch).await?;
    // Asked also when the slot is there already: a server must not be able to order what was withdrawn since.
    let release = listed(order, place, client).await?;
    let slot = slot_of(&release, place, client, steps).await?;
    steps.enter(Stage::Check).await?;
    check(&slot, place).await?;
    fault::point("checked");
    Ok(slot)
}

/// From a release that was verified to its slot, complete and durable: the one that is there, or brought by a delta, or
/// downloaded and unpacked.
pub(crate) async fn slot_of(
    release: &Release,
    place: &Place,
    client: &HttpClient,
    steps: &impl Enter,
) -> Result<Slot, Unready> {
    let slots = Slots::new(place.layout.clone());
    let details = &release.details;
    let complete = slots
        .get(&details.package, &details.version)
        .map_err(|error| place.host_failed(&error))?;
    if let Some(slot) = complete.filter(|slot| slot.hash == Some(release.hash)) {
        return Ok(slot);
    }
    let names = Names::of(release, &place.layout.downloads());
    if let Some(packed) = delta::bring(release, place, client).await? {
        steps.enter(Stage::Unpack).await?;
        let unpacked = unpack(release, place, &packed, Slots::install_packed).await?;
        delta::clean(&names, None);
        match unpacked {
            Ok(slot) => return Ok(unpacked_into(slot)),
            Err(error) => warn!(
                error = words(&error),
                "what a delta led to does not become a slot, the whole bundle is fetched"
            ),
        }
    }
    let bundle = download::download(release, place, client).await?;
    fault::point("downloaded");
    steps.enter(Stage::Unpack).await?;
    let unpacked = unpack(release, place, &bundle, Slots::install).await?;
    let slot = unpacked_into(unpacked.map_err(|error| place.refused(error))?);
    lockstep_host::fs::remove_durable(&bundle).map_err(|error| place.host_failed(&error))?;
    Ok(slot)
}

/// How a slot is made of a file.
type Install =
    fn(&Slots, &Path, &Release, Option<&Slot>, Timestamp) -> Result<Slot, lockstep_host::Error>;

async fn unpack(
    release: &Release,
    place: &Place,
    file: &Path,
    install: Install,
) -> Result<Result<Slot, lockstep_host::Error>, Unready> {
    let (release, place_of, file) = (release.clone(), place.clone(), file.to_owned());
    let unpack = move || {
        let slots = Slots::new(place_of.layout);
        let now = place_of.clock.now();
        install(&slots, &file, &release, place_of.current.as_ref(), now)
    };
    let unpacked = tokio::task::spawn_blocking(unpack).await;
    unpacked.map_err(|error| place.again(format!("unpacking broke off: {error}")))
}

fn unpacked_into(slot: Slot) -> Slot {
    fault::point("unpacked");
    info!(package = %slot.package(), version = %slot.version(), slot = %slot.dir.display(), "unpacked");
    slot
}

/// The release, as the publisher signed it. The order must agree with it to the byte.
pub(crate) async fn listed(
    order: &Order,
    place: &Place,
    client: &HttpClient,
) -> Result<Release, Unready> {
    let now = place.clock.now();
    let mut repository = Repository::open(&place.layout, client, now)
        .await
        .map_err(|error| place.again(words(&error)))?;
    // What came with a bundle that was brought is stored already. It may have expired since; then a server may help.
    let stands = order.brought && repository.refresh_from_stored(&place.layout).await.is_ok();
    let refreshed = match stands {
        true => Ok(()),
        false => repository.refresh(client).await,
    };
    refreshed.map_err(|error| {
        let reason = RunReason::NotVerified { why: words(&error) };
        place.again(reason.to_string())
    })?;
    let release = repository.release(&order.target).map_err(|error| {
        let reason = RunReason::NotVerified { why: words(&error) };
        place.again(reason.to_string())
    })?;
    let platform = Platform::of_this_program();
    let details = &release.details;
    let contradiction = if details.package != order.package || details.version != order.version {
        Some(format!(
            "{} is {} {}",
            order.target, details.package, details.version
        ))
    } else if release.hash != order.hash || release.length != order.length {
        Some(format!(
            "the order says {} with {} bytes, the publisher signed {} with {}",
            order.hash.short(),
            order.length,
            release.hash.short(),
            release.length
        ))
    } else if !details.platform.runs_on(&platform) {
        Some(format!(
            "it is made for {}, this host is {platform}",
            details.platform
        ))
    } else {
        leaves_out_a_step(&release, place)
    };
    match contradiction {
        // The order is at fault, not the release: nothing is remembered against it.
        Some(why) => Err(place.again(RunReason::NotVerified { why }.to_string())),
        None => Ok(release),
    }
}

/// A release may say from which versions it can be installed. The publisher's word counts, whatever the server orders.
fn leaves_out_a_step(release: &Release, place: &Place) -> Option<String> {
    let details = &release.details;
    let offer = Offer {
        version: &details.version,
        from: details.requires.from.as_ref(),
    };
    let current = place.current.as_ref().map(|slot| &slot.manifest.version);
    let hop = next_hop(current, &details.version, &[offer]);
    hop.err().map(|no_way| no_way.to_string())
}

/// Runs the command that must succeed in a new slot: the bundle's own. The agent has one in any case, its preflight; a
/// package of others without one has nothing to say.
pub(crate) async fn check(slot: &Slot, place: &Place) -> Result<(), Unready> {
    let is_own = *slot.package() == PackageName::lockstep();
    let check = slot.manifest.check.clone();
    let Some(check) = check.or_else(|| is_own.then(preflight::command)) else {
        return Ok(());
    };
    let checked = if is_own {
        rehearsed(slot, &check, place).await?
    } else {
        preflight::run_check(slot, &check, &place.layout, Duration::MAX).await
    };
    checked.map_err(|why| Unready::Failed {
        outcome: Outcome::Failed,
        reason: RunReason::PreflightFailed { why },
    })
}

/// The check of a version of the agent. An order may lead back to an older one, which must neither touch the state of this
/// one, nor take its place while a run is under way that it cannot go on with: runs end, so that is waited for.
async fn rehearsed(
    slot: &Slot,
    check: &Check,
    place: &Place,
) -> Result<Result<(), String>, Unready> {
    let layout = &place.layout;
    let host_failed = |error| place.again(RunReason::HostFailed { why: words(&error) }.to_string());
    let current = place.current.as_ref().map(Slot::version);
    if current.is_some_and(|current| slot.version() < current)
        && let Some(why) = restart_to_end(layout)
    {
        return Err(place.again(why));
    }
    let checked = rehearse(slot, check, layout, Duration::MAX, Asker::Worker).await;
    let Err(why) = checked.map_err(host_failed)? else {
        return Ok(Ok(()));
    };
    if !under_way(layout).map_err(host_failed)?.is_empty() {
        let but_runs = rehearse(slot, check, layout, Duration::MAX, Asker::WorkerButRuns).await;
        if but_runs.map_err(host_failed)?.is_ok() {
            return Err(place.again(why));
        }
    }
    Ok(Err(why))
}

impl Place {
    pub(crate) fn again(&self, why: impl Into<String>) -> Unready {
        Unready::Again {
            why: why.into(),
            after: self.retry,
        }
    }

    fn host_failed(&self, error: &lockstep_host::Error) -> Unready {
        self.again(RunReason::HostFailed { why: words(&error) }.to_string())
    }

    /// A bundle that does what no bundle may do is refused for good; a host that cannot write tries again.
    fn refused(&self, error: lockstep_host::Error) -> Unready {
        if error.blames_bundle() {
            let reason = RunReason::BundleRefused { why: words(&error) };
            return Unready::Failed {
                outcome: Outcome::Failed,
                reason,
            };
        }
        self.host_failed(&error)
    }

    pub(crate) fn call_failed(&self, error: &CallError) -> Unready {
        let asked = match error {
            CallError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        };
        Unready::Again {
            why: words(&error),
            after: asked.unwrap_or(self.retry),
        }
    }
}

/// A listed release of the agent in a version, for an order that is given by hand.
pub(crate) async fn find(
    layout: &Layout,
    client: &HttpClient,
    clock: &Clock,
    version: &Version,
) -> Result<Release, repository::Error> {
    let mut repository = Repository::open(layout, client, clock.now()).await?;
    repository.refresh(client).await?;
    repository.find(version)
}
