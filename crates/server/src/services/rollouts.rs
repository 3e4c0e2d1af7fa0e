//! Rollouts: ordering them, looking at them, and what a person may say to them. How they go on is decided by
//! `plan`, and stored by the `decider`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::operator::{Promote, RolloutView};
use lockstep_model::{
    HostName, PackageName, Release, Rollout, RolloutId, RolloutState, SkippedHost, Strategy,
};
use lockstep_plan::rollout::{self, Refused, Step};
use lockstep_store::{Decided, NewRollout, Standing};

use super::rollout_facts::{facts, facts_of};
use super::rollout_views::{Detail, Names, view};
use super::{audit, promoted, releases, rollout_views};
use crate::app::App;
use crate::decider::concerned;
use crate::web::Refusal;

/// What a person may say to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Lets nobody else go until it is resumed.
    Pause,
    /// Ends a pause.
    Resume,
    /// Lets the next wave go without waiting for the newest one's gate.
    SkipWave,
    /// Stops it for good.
    Halt,
    /// Takes its hosts back.
    Rollback,
}

impl Command {
    /// Parses the command as it stands in the address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "pause" => Some(Self::Pause),
            "resume" => Some(Self::Resume),
            "skip-wave" => Some(Self::SkipWave),
            "halt" => Some(Self::Halt),
            "rollback" => Some(Self::Rollback),
            _ => None,
        }
    }

    fn apply(self, rollout: &Rollout, by: &str) -> Result<Step, Refused> {
        match self {
            Self::Pause => rollout::pause(rollout, by),
            Self::Resume => rollout::resume(rollout, by),
            Self::SkipWave => rollout::skip_wave(rollout, by),
            Self::Halt => rollout::halt(rollout, by),
            Self::Rollback => rollout::rollback(rollout, by),
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::SkipWave => "skipped a wave of",
            Self::Halt => "halted",
            Self::Rollback => "rolled back",
        }
    }
}

/// How often a command is tried again when the decider was quicker.
const ATTEMPTS: usize = 5;
/// A report that is asked for comes so much after the moment from which on it counts.
const AFTER: Duration = Duration::from_secs(1);

/// Points a channel at a version, and begins the rollout that brings it to the hosts which follow.
pub(crate) async fn promote(
    app: &App,
    order: &Promote,
    who: &str,
    now: Timestamp,
) -> Result<RolloutView, Refusal> {
    let _one_at_a_time = app.promoting.lock().await;
    let Promote {
        package,
        version,
        channel,
        ..
    } = order;
    let listed = app.store.releases().await?;
    can_run(app, order, &listed)?;
    if !order.even_if_suspect {
        is_not_suspect(app, order).await?;
    }
    let current = app.store.current_rollouts().await?;
    is_new(order, &current)?;
    // The waves are drawn by the decider's first look, from the fleet as it is then.
    let new = NewRollout {
        package: package.clone(),
        version: version.clone(),
        channel: channel.clone(),
        strategy: strategy(app, order),
        urgent: order.urgent,
        clears_suspect: order.even_if_suspect,
        state: RolloutState::Planned,
        why: "waits for the decider to draw its waves".into(),
        at: now,
    };
    let rollout = app.store.promote(&new, |_| Vec::new()).await?;
    tracing::info!(rollout = %rollout.id, %package, %version, %channel, who, "promoted");
    let what = promoted::words(order, rollout.id);
    audit::note(app, who, &what, now).await;
    app.standing.forget();
    app.wake.notify_one();
    Ok(view(&rollout, &[], None, Names::LeftOut, None, now))
}

/// How the rollout shall go: as the fleet file says of its channel, or by this server's configuration.
fn strategy(app: &App, order: &Promote) -> Strategy {
    let accepted = app.fleet.accepted();
    let of_channel = accepted
        .as_ref()
        .and_then(|it| it.fleet.strategy(&order.package, &order.channel));
    let strategy = of_channel.unwrap_or(&app.config.rollout).clone();
    if order.urgent {
        strategy.urgent()
    } else {
        strategy
    }
}

/// A version that a rollout has found wanting is not rolled out again without a word.
async fn is_not_suspect(app: &App, order: &Promote) -> Result<(), Refusal> {
    let suspects = app.store.suspects().await?;
    match releases::suspect(&suspects, &order.package, &order.version) {
        Some(known) => Err(Refusal::conflict(format!(
            "{} {} is suspect since {:.0}: {}; promote it with --even-if-suspect if that was mended elsewhere",
            known.package, known.version, known.since, known.why
        ))),
        None => Ok(()),
    }
}

/// The release is listed, and its hosts and this server would still talk to each other.
fn can_run(app: &App, order: &Promote, releases: &[Release]) -> Result<(), Refusal> {
    let (package, version) = (&order.package, &order.version);
    let mut is_listed = false;
    for release in releases {
        let details = &release.details;
        if details.package != *package || details.version != *version {
            continue;
        }
        is_listed = true;
        if let Some(range) = &details.requires.server
            && !range.contains(&app.version)
        {
            return Err(Refusal::conflict(format!(
                "{package} {version} for {} talks to servers {range} only, and this one is {}",
                details.platform, app.version
            )));
        }
    }
    if !is_listed {
        return Err(Refusal::not_found(format!(
            "no release {package} {version} is listed; publish it first"
        )));
    }
    if *package == PackageName::lockstep()
        && let Err(refusal) = app.config.agents.check(version, &app.version)
    {
        return Err(Refusal::conflict(format!(
            "hosts would be cut off with {version}: {refusal}"
        )));
    }
    Ok(())
}

/// The same order twice is a slip while the first one is under way. Afterwards it is a new order, which also reaches
/// the hosts that failed on the first one, or were held by hand.
fn is_new(order: &Promote, current: &[Rollout]) -> Result<(), Refusal> {
    let same = current.iter().find(|rollout| {
        (&rollout.package, &rollout.channel, &rollout.version)
            == (&order.package, &order.channel, &order.version)
    });
    match same {
        Some(same) if !same.state.is_over() && same.state != RolloutState::Halted => {
            Err(Refusal::conflict(format!(
                "{} points at {} {} already: rollout {} is {}",
                order.channel, order.package, order.version, same.id, same.state
            )))
        }
        _ => Ok(()),
    }
}

/// Says something to a rollout.
pub(crate) async fn command(
    app: &App,
    id: RolloutId,
    command: Command,
    who: &str,
    now: Timestamp,
) -> Result<RolloutView, Refusal> {
    say(app, id, &Word::Command(command), who, now).await
}

/// Leaves a host out of a rollout, for this reason.
pub(crate) async fn skip_host(
    app: &App,
    id: RolloutId,
    host: &HostName,
    why: &str,
    who: &str,
    now: Timestamp,
) -> Result<RolloutView, Refusal> {
    let why = why.trim();
    if why.is_empty() || why.len() > SkippedHost::LONGEST_WHY {
        return Err(Refusal::bad_request(format!(
            "say why {host} is left out of rollout {id}, in 1 to {} bytes",
            SkippedHost::LONGEST_WHY
        )));
    }
    say(app, id, &Word::SkipHost { host, why }, who, now).await
}

/// Takes a host into a rollout again that was left out of it.
pub(crate) async fn unskip_host(
    app: &App,
    id: RolloutId,
    host: &HostName,
    who: &str,
    now: Timestamp,
) -> Result<RolloutView, Refusal> {
    say(app, id, &Word::UnskipHost { host }, who, now).await
}

/// What a person says to a rollout.
enum Word<'a> {
    Command(Command),
    SkipHost { host: &'a HostName, why: &'a str },
    UnskipHost { host: &'a HostName },
}

impl Word<'_> {
    async fn apply(
        &self,
        app: &App,
        rollout: &Rollout,
        by: &str,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let step = match self {
            Self::Command(command) => command.apply(rollout, by),
            Self::SkipHost { host, why } => {
                let facts = facts(app, rollout, now).await?;
                let known = facts.iter().find(|it| it.name == **host);
                // Reading the fleet takes its time, and who reports meanwhile is told to begin.
                rollout::skip_host(rollout, host, known, by, why, app.now())
            }
            Self::UnskipHost { host } => {
                let newest = newest_of_channel(app, rollout).await?;
                rollout::take_back(rollout, host, by, newest)
            }
        };
        step.map_err(|refused| Refusal::conflict(refused.to_string()))
    }

    /// What was done, for the audit trail: `left web3 out of rollout 7 of lockstep 1.4.2: its disk`.
    fn done(&self, rollout: &Rollout) -> String {
        let what = format!(
            "rollout {} of {} {}",
            rollout.id, rollout.package, rollout.version
        );
        match self {
            Self::Command(command) => format!("{} {what}", command.done()),
            Self::SkipHost { host, why } => format!("left {host} out of {what}: {why}"),
            Self::UnskipHost { host } => format!("took {host} into {what} again"),
        }
    }
}

async fn say(
    app: &App,
    id: RolloutId,
    word: &Word<'_>,
    who: &str,
    now: Timestamp,
) -> Result<RolloutView, Refusal> {
    for _ in 0..ATTEMPTS {
        let rollout = read(app, id).await?;
        let step = word.apply(app, &rollout, who, now).await?;
        let begun = app.now();
        let saved = app
            .store
            .save_rollout(&rollout, decided(&step), None, now)
            .await;
        match saved {
            Ok(()) => {}
            Err(lockstep_store::Error::RolloutChanged { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        audit::note(app, who, &word.done(&rollout), now).await;
        app.standing.forget();
        app.hints.report(concerned(&rollout, &step.rollout));
        app.wake.notify_one();
        if let Word::SkipHost { host, .. } = word {
            is_known_since(app, id, host, begun).await;
            ask_once_known(app, host);
        }
        return one(app, id, Names::Told, now).await;
    }
    Err(lockstep_store::Error::RolloutChanged { id }.into())
}

/// A host that was left out counts as told so from a moment after the word's time on. If it took so long to store the word
/// that it was told something else after that, the word's time is moved.
async fn is_known_since(app: &App, id: RolloutId, host: &HostName, mut begun: Timestamp) {
    let mut why = "the database takes too long".to_owned();
    for _ in 0..ATTEMPTS {
        let now = app.now();
        if now.duration_since(begun).unsigned_abs() < rollout::SKIP_KNOWN_WITHIN / 2 {
            return;
        }
        match move_skip(app, id, host, now).await {
            Ok(()) => begun = now,
            Err(error) => {
                why = error.to_string();
                tokio::time::sleep(AFTER).await;
            }
        }
    }
    tracing::warn!(
        rollout = %id, %host, why,
        "cannot store since when the host is left out; if it was told to begin it may not be waited for"
    );
}

async fn move_skip(
    app: &App,
    id: RolloutId,
    host: &HostName,
    since: Timestamp,
) -> Result<(), lockstep_store::Error> {
    for _ in 0..ATTEMPTS {
        let Some(before) = app.store.rollout(id).await? else {
            return Ok(());
        };
        let mut after = before.clone();
        let Some(skipped) = after.skipped.get_mut(host) else {
            return Ok(());
        };
        skipped.since = since;
        let decided = Decided {
            after: &after,
            decisions: &[],
            baselines: &[],
            suspect: None,
        };
        match app.store.save_rollout(&before, decided, None, since).await {
            Err(lockstep_store::Error::RolloutChanged { .. }) => {}
            saved => return saved,
        }
    }
    Err(lockstep_store::Error::RolloutChanged { id })
}

/// The next report after every server knows of it says whether the host has begun: it is asked for then, so that the rollout
/// does not wait for the host's next regular one.
fn ask_once_known(app: &App, host: &HostName) {
    let (hints, stop) = (app.hints.clone(), app.stop.clone());
    let host = HashSet::from([host.clone()]);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(rollout::SKIP_KNOWN_WITHIN + AFTER) => hints.report(host),
        }
    });
}

/// The newest rollouts, or those before one, newest first, without their decisions.
pub(crate) async fn page(
    app: &App,
    before: Option<RolloutId>,
    limit: u32,
    names: Names,
    now: Timestamp,
) -> Result<Vec<RolloutView>, Refusal> {
    let suspects = app.store.suspects().await?;
    let mut views = Vec::new();
    // The fleet is read once for each package, not for each of its rollouts.
    let mut fleets: HashMap<PackageName, Vec<Standing>> = HashMap::new();
    for rollout in app.store.rollouts_before(before, limit).await? {
        let fleet = match fleets.entry(rollout.package.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(app.store.standings(&rollout.package).await?),
        };
        let facts = facts_of(app, &rollout, fleet.clone(), now).await?;
        let suspect = releases::suspect(&suspects, &rollout.package, &rollout.version);
        views.push(view(&rollout, &facts, suspect, names, None, now));
    }
    Ok(views)
}

/// One rollout with its decisions.
pub(crate) async fn one(
    app: &App,
    id: RolloutId,
    names: Names,
    now: Timestamp,
) -> Result<RolloutView, Refusal> {
    let rollout = read(app, id).await?;
    let facts = facts(app, &rollout, now).await?;
    let suspects = app.store.suspects().await?;
    let suspect = releases::suspect(&suspects, &rollout.package, &rollout.version);
    let detail = Detail {
        decisions: app.store.decisions(id).await?,
    };
    let mut view = view(&rollout, &facts, suspect, names, Some(detail), now);
    rollout_views::say_why_kept(app, &mut view, &facts).await?;
    Ok(view)
}

/// The newest rollout of a rollout's channel.
async fn newest_of_channel(app: &App, rollout: &Rollout) -> Result<RolloutId, Refusal> {
    let current = app.store.current_rollouts().await?;
    let same = |it: &&Rollout| (&it.package, &it.channel) == (&rollout.package, &rollout.channel);
    Ok(current.iter().find(same).map_or(rollout.id, |it| it.id))
}

async fn read(app: &App, id: RolloutId) -> Result<Rollout, Refusal> {
    app.store
        .rollout(id)
        .await?
        .ok_or_else(|| Refusal::not_found(format!("there is no rollout {id}")))
}

/// Rollouts that are not over.
pub(crate) async fn count_active(app: &App) -> Result<u64, Refusal> {
    let rollouts = app.store.current_rollouts().await?;
    Ok(rollouts.iter().filter(|it| !it.state.is_over()).count() as u64)
}

/// Rollouts that time or hosts can move.
pub(crate) async fn moving(app: &App) -> Result<Vec<Rollout>, lockstep_store::Error> {
    app.store.moving_rollouts().await
}

/// What a step says, for the store.
pub(crate) fn decided(step: &Step) -> Decided<'_> {
    Decided {
        after: &step.rollout,
        decisions: &step.decisions,
        baselines: &step.baselines,
        suspect: step.suspect.as_deref(),
    }
}
