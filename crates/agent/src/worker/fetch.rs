//! From an order to a slot that is ready to be tried: metadata, bundle, unpacking, check.
//!
//! Nothing that the server says is believed: the release must be listed in metadata that verifies from the root of
//! the enrolment on, with the very length and hash of the order, and the bytes must have them, before a single file
//! is unpacked. Every step may be entered again: a slot that is complete is not fetched, a bundle that is complete
//! is not downloaded, a download goes on where it broke.

mod download;

use std::time::Duration;

use lockstep_host::exec::Exec;
use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{Layout, fault};
use lockstep_model::{Check, Interval, Outcome, Platform, Release, RunReason};
use lockstep_net::Clock;
use lockstep_net::client::HttpClient;
use lockstep_plan::update::{Journal, Order, Step};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::info;

use super::Event;
use crate::repository::{self, Repository};
use crate::words;

/// How a fetch goes on, or how it ended.
pub(super) enum Fetched {
    /// It is about to enter a step, which must be journaled first; dropping the answer ends the fetch.
    Enter(Step, oneshot::Sender<()>),
    /// The slot is complete and checked.
    Ready,
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

/// A fetch under way; it ends when this is dropped.
pub(super) struct Fetching {
    task: AbortHandle,
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fetching {
    /// Starts a fetch; what becomes of it arrives as events.
    pub(super) fn start(
        run: Journal,
        place: Place,
        client: HttpClient,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let id = run.id;
        let task = tokio::spawn(async move {
            let end = match prepare(
                &run.order,
                &place,
                &client,
                &Steps {
                    run: &run,
                    events: &events,
                },
            )
            .await
            {
                Ok(()) => Fetched::Ready,
                Err(end) => end,
            };
            // The worker may be stopping.
            let _ = events.send(Event::Fetched(id, Box::new(end))).await;
        });
        Self {
            task: task.abort_handle(),
        }
    }
}

/// Where a release is fetched to, and how.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) layout: Layout,
    /// The slot that runs now; what it preserves is copied from here.
    pub(super) current: Slot,
    pub(super) clock: Clock,
    /// How long to wait after a failure.
    pub(super) retry: Duration,
}

struct Steps<'a> {
    run: &'a Journal,
    events: &'a mpsc::Sender<Event>,
}

impl Steps<'_> {
    /// Has the step journaled before it begins.
    async fn enter(&self, step: Step) -> Result<(), Fetched> {
        if self.run.step == step {
            return Ok(());
        }
        let (journaled, waits) = oneshot::channel();
        let enter = Event::Fetched(self.run.id, Box::new(Fetched::Enter(step, journaled)));
        let gone = || Fetched::Again {
            why: "the run was given up".into(),
            after: Duration::ZERO,
        };
        self.events.send(enter).await.map_err(|_| gone())?;
        waits.await.map_err(|_| gone())
    }
}

async fn prepare(
    order: &Order,
    place: &Place,
    client: &HttpClient,
    steps: &Steps<'_>,
) -> Result<(), Fetched> {
    steps.enter(Step::Fetch).await?;
    // Asked also when the slot is there already: a server must not be able to order what was withdrawn since.
    let release = listed(order, place, client).await?;
    let slots = Slots::new(place.layout.clone());
    let complete = slots
        .get(&order.package, &order.version)
        .map_err(|error| place.host_failed(&error))?;
    let slot = match complete.filter(|slot| slot.hash == Some(order.hash)) {
        Some(slot) => slot,
        None => bring(&release, place, client, steps, slots).await?,
    };
    steps.enter(Step::Preflight).await?;
    check(&slot, place).await?;
    fault::point("checked");
    Ok(())
}

/// Downloads, verifies and unpacks.
async fn bring(
    release: &Release,
    place: &Place,
    client: &HttpClient,
    steps: &Steps<'_>,
    slots: Slots,
) -> Result<Slot, Fetched> {
    let bundle = download::download(release, place, client).await?;
    fault::point("downloaded");
    steps.enter(Step::Unpack).await?;
    let (current, now) = (place.current.clone(), place.clock.now());
    let (unpacked, file) = (release.clone(), bundle.clone());
    let install = move || slots.install(&file, &unpacked, Some(&current), now);
    let slot = match tokio::task::spawn_blocking(install).await {
        Ok(Ok(slot)) => slot,
        Ok(Err(error)) => return Err(place.refused(error)),
        Err(error) => return Err(place.again(format!("unpacking broke off: {error}"))),
    };
    fault::point("unpacked");
    info!(version = %slot.version(), slot = %slot.dir.display(), "unpacked");
    lockstep_host::fs::remove_durable(&bundle).map_err(|error| place.host_failed(&error))?;
    Ok(slot)
}

/// The release, as the publisher signed it. The order must agree with it to the byte.
async fn listed(order: &Order, place: &Place, client: &HttpClient) -> Result<Release, Fetched> {
    let now = place.clock.now();
    let mut repository = Repository::open(&place.layout, client, now)
        .await
        .map_err(|error| place.again(words(&error)))?;
    repository.refresh(client).await.map_err(|error| {
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
        None
    };
    match contradiction {
        // The order is at fault, not the release: nothing is remembered against it.
        Some(why) => Err(place.again(RunReason::NotVerified { why }.to_string())),
        None => Ok(release),
    }
}

/// The command that must succeed in the new slot: the bundle's own, or the agent's preflight.
async fn check(slot: &Slot, place: &Place) -> Result<(), Fetched> {
    let own = || Check {
        command: [Slot::PROGRAM, "agent", "preflight"]
            .map(String::from)
            .into(),
        timeout: Interval::from_secs(30),
    };
    let check = slot.manifest.check.clone().unwrap_or_else(own);
    let (program, args) = check
        .command
        .split_first()
        .expect("a manifest without a program is not read");
    let exec = Exec::new(slot.dir.join(program), check.timeout.duration())
        .args(args)
        .cwd(&slot.dir)
        .env("LOCKSTEP_ROOT", place.layout.root());
    let why = match exec.run().await {
        Ok(finished) if finished.succeeded() => return Ok(()),
        Ok(finished) => format!("{}: {}", finished.how(), end_of(&finished.output)),
        Err(error) => words(&error),
    };
    Err(Fetched::Failed {
        outcome: Outcome::Failed,
        reason: RunReason::PreflightFailed { why },
    })
}

/// The last line that says something, for a reason that is read on one line.
fn end_of(output: &str) -> &str {
    output
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it said nothing")
}

impl Place {
    pub(super) fn again(&self, why: impl Into<String>) -> Fetched {
        Fetched::Again {
            why: why.into(),
            after: self.retry,
        }
    }

    fn host_failed(&self, error: &lockstep_host::Error) -> Fetched {
        self.again(RunReason::HostFailed { why: words(&error) }.to_string())
    }

    /// A bundle that does what no bundle may do is refused for good; a host that cannot write tries again.
    fn refused(&self, error: lockstep_host::Error) -> Fetched {
        if error.blames_bundle() {
            let reason = RunReason::BundleRefused { why: words(&error) };
            return Fetched::Failed {
                outcome: Outcome::Failed,
                reason,
            };
        }
        self.host_failed(&error)
    }

    pub(super) fn call_failed(&self, error: &lockstep_net::client::CallError) -> Fetched {
        use lockstep_net::client::CallError;
        let asked = match error {
            CallError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        };
        Fetched::Again {
            why: words(&error),
            after: asked.unwrap_or(self.retry),
        }
    }
}

/// A listed release of the agent in a version, for an order that is given by hand.
pub(super) async fn find(
    layout: &Layout,
    client: &HttpClient,
    clock: &Clock,
    version: &lockstep_model::Version,
) -> Result<Release, repository::Error> {
    let mut repository = Repository::open(layout, client, clock.now()).await?;
    repository.refresh(client).await?;
    repository.find(version)
}
