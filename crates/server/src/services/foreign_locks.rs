//! Locks for hosts that ask for them through gateways, and the runs that such a lock stands for.
//!
//! A host that updates itself by its own means asks for a lock before, and gives it back after. In between it is in a run:
//! while a rollout governs what it updates to, the place is given when the rollout lets the host go, the run bears the
//! rollout's version, and its end is what the rollout's gates look at. The lock itself is the same as everybody's.

use jiff::Timestamp;
use lockstep_gateway::seams::{Gateway, Green, LockAsk, LockGiven, LockSaid};
use lockstep_model::api::{Facts, LockAnswer, LockRequest, Report};
use lockstep_model::{
    Holder, HostName, Level, LockHolder, LockName, Outcome, Phase, RunLock, RunReason, RunRecord,
    Version,
};

use super::foreign::{self, Present};
use super::foreign_orders::{self, Turn};
use super::{locks, reports};
use crate::app::App;
use crate::web::Refusal;

/// Asks for a place.
pub(crate) async fn acquire(app: &App, ask: &LockAsk, now: Timestamp) -> Result<LockSaid, Refusal> {
    let _turn = app.foreign.turn(&ask.host).await;
    let mut asker = Asker::find(app, ask, now).await?;
    let who = Holder::Host(ask.host.clone());
    let state = app.store.lock(&ask.lock).await?.unwrap_or_default();
    let has_it = state.held_by(&who).is_some();
    let turn = match &ask.package {
        Some(package) => foreign_orders::turn(app, &ask.host, &asker.report, package, now).await?,
        None => Turn::Free,
    };
    // Whoever has the place already is at work, and is not stopped half-way.
    if let (Turn::NotYet(words), false) = (&turn, has_it) {
        asker.note_heard(app, now).await?;
        return Ok(LockSaid::Refused {
            code: "not-let-go",
            words: words.clone(),
        });
    }
    let run = asker.run_to(ask, &turn, now);
    let request = LockRequest {
        reason: reason(ask, &turn),
        run: run.as_ref().map(|run| run.id),
        boot_id: None,
        // A turn in the queue is for those who keep asking every minute. Others ask every five or never again, and would
        // keep a free place from everybody while nobody takes it.
        wait: ask.via == Gateway::ForemanDlm,
    };
    let answer = locks::acquire(app, &ask.lock, who, request, now).await?;
    let (fence, since, again) = match answer {
        LockAnswer::Granted {
            fence,
            since,
            again,
            ..
        } => (fence, since, again),
        LockAnswer::Refused { why, .. } => {
            asker.note_heard(app, now).await?;
            return Ok(LockSaid::Refused {
                code: locks::code(&why),
                words: why.to_string(),
            });
        }
    };
    let lock = RunLock {
        name: ask.lock.clone(),
        fence,
        since,
    };
    asker.begin(app, run, lock, now).await?;
    Ok(LockSaid::Granted(LockGiven {
        fence,
        since,
        again,
    }))
}

/// Gives a place back, or notes that the host is done and keeps it until the host is fine.
pub(crate) async fn release(
    app: &App,
    ask: &LockAsk,
    green: Green,
    now: Timestamp,
) -> Result<bool, Refusal> {
    let _turn = app.foreign.turn(&ask.host).await;
    let asker = Asker::find(app, ask, now).await?;
    let who = Holder::Host(ask.host.clone());
    let state = app.store.lock(&ask.lock).await?.unwrap_or_default();
    let Some(grant) = state.held_by(&who) else {
        asker.note_heard(app, now).await?;
        locks::release(app, &ask.lock, who, None, now).await?;
        return Ok(false);
    };
    if let Green::Within(limit) = green
        && let Some(why) = unwell(app, &ask.host, now).await?
    {
        let until = now.checked_add(limit.duration()).unwrap_or(Timestamp::MAX);
        tracing::info!(lock = %ask.lock, host = %ask.host, why, %until, "a host is back and not fine; its place is kept");
        asker.note_heard(app, now).await?;
        return locks::keep_until_fine(app, &ask.lock, who, until).await;
    }
    let fence = grant.fence;
    asker.end(app, &ask.lock, None, now).await?;
    let released = locks::release(app, &ask.lock, who, Some(fence), now).await?;
    Ok(released.was_held)
}

/// Frees the places of hosts that said they are done and are fine by now, and of those whose time is over.
pub(crate) async fn settle(app: &App, now: Timestamp) -> Result<(), Refusal> {
    for (name, state) in app.store.locks().await? {
        let steady = state.holders.into_iter().filter_map(|grant| {
            let until = grant.steady_until?;
            Some((grant.holder.host()?.clone(), grant, until))
        });
        for (host, grant, until) in steady {
            let why = unwell(app, &host, now).await?;
            if why.is_none() || until <= now {
                free(app, &name, &host, &grant, why, now).await?;
            }
        }
    }
    Ok(())
}

async fn free(
    app: &App,
    name: &LockName,
    host: &HostName,
    grant: &LockHolder,
    why: Option<String>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let _turn = app.foreign.turn(host).await;
    let still = app.store.lock(name).await?.unwrap_or_default();
    let is_same = |it: &&LockHolder| it.fence == grant.fence && it.steady_until.is_some();
    if still.holders.iter().find(is_same).is_none() {
        return Ok(());
    }
    match &why {
        Some(why) => {
            tracing::warn!(lock = %name, %host, why, "a host did not become fine in time; its place is free");
        }
        None => tracing::info!(lock = %name, %host, "a host is fine again; its place is free"),
    }
    if let Some(asker) = Asker::known(app, host, now).await? {
        asker.end(app, name, why, now).await?;
    }
    let who = Holder::Host(host.clone());
    locks::release(app, name, who, Some(grant.fence), now).await?;
    Ok(())
}

/// Why a host is not fine, by what is known of its health; none for one of which nothing is known.
async fn unwell(app: &App, host: &HostName, now: Timestamp) -> Result<Option<String>, Refusal> {
    let facts = app.lock_facts.read(app, now).await?;
    let Some((facts, _)) = facts.host(host) else {
        return Ok(None);
    };
    if facts.level >= Level::SICK {
        return Ok(Some(format!("one of its items is {}", facts.level)));
    }
    Ok(facts.silent.then(|| "nothing is heard of it".into()))
}

fn reason(ask: &LockAsk, turn: &Turn) -> String {
    let mut reason = match (turn, &ask.package) {
        (Turn::LetGo { version, .. }, Some(package)) => {
            format!("{package} → {version}, by {}", ask.via)
        }
        _ => format!("an update by {}", ask.via),
    };
    reason.truncate(reason.floor_char_boundary(LockRequest::LONGEST_REASON));
    reason
}

/// Who asks: a host of a gateway, or one with our agent.
struct Asker {
    /// None for a host with our agent, whose own reports say what it runs.
    foreign: Option<Present>,
    report: Report,
}

impl Asker {
    async fn find(app: &App, ask: &LockAsk, now: Timestamp) -> Result<Self, Refusal> {
        let nothing = Facts::default();
        let present = foreign::open(app, &ask.host, ask.via, &nothing, false, now).await?;
        if let Some(present) = present {
            return Ok(Self::of(present, now));
        }
        let row = app.store.host(&ask.host).await?;
        let row =
            row.ok_or_else(|| Refusal::not_found(format!("there is no host {}", ask.host)))?;
        Ok(Self {
            report: foreign::report_of(&row, &Default::default(), now),
            foreign: None,
        })
    }

    async fn known(app: &App, host: &HostName, now: Timestamp) -> Result<Option<Self>, Refusal> {
        Ok(foreign::present(app, host)
            .await?
            .map(|present| Self::of(present, now)))
    }

    fn of(present: Present, now: Timestamp) -> Self {
        Self {
            report: foreign::report_of(&present.row, &present.kept, now),
            foreign: Some(present),
        }
    }

    /// The run that a grant begins, or goes on with.
    fn run_to(&mut self, ask: &LockAsk, turn: &Turn, now: Timestamp) -> Option<RunRecord> {
        let kept = &self.foreign.as_ref()?.kept;
        let Turn::LetGo {
            version,
            generation,
        } = turn
        else {
            return kept.run.clone();
        };
        let package = ask.package.as_ref()?;
        let is_same = |run: &&RunRecord| {
            run.package == *package && run.to.as_ref().is_some_and(|to| *to == *version)
        };
        if let Some(run) = kept.run.as_ref().filter(is_same) {
            return Some(run.clone());
        }
        let installed = super::orders::installed_of(&self.report.installed, package);
        let from = installed.map(|it| &it.version);
        Some(foreign::begun(
            package.clone(),
            from,
            Some(version),
            *generation,
            ask.via,
            now,
        ))
    }

    /// The host has a place: its run begins, unless it is under way.
    async fn begin(
        mut self,
        app: &App,
        run: Option<RunRecord>,
        lock: RunLock,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let (Some(present), Some(run)) = (&mut self.foreign, run) {
            let before = present.kept.run.take();
            if let Some(before) = before.as_ref().filter(|before| before.id != run.id) {
                // It was given another lock meanwhile; of the change before nothing more will be heard.
                let over = RunRecord {
                    phase: Phase::Done,
                    outcome: Some(Outcome::Postponed),
                    at: now,
                    ..before.clone()
                };
                reports::receive_run(app, &present.row.name, &over, now).await?;
            }
            let run = RunRecord {
                lock: Some(lock),
                at: now,
                ..run
            };
            if before
                .as_ref()
                .is_none_or(|before| before.id != run.id || before.lock != run.lock)
            {
                reports::receive_run(app, &present.row.name, &run, now).await?;
            }
            present.kept.run = Some(run);
        }
        self.note_heard(app, now).await
    }

    /// The host is done: its run ends, and it runs the version that the run was for. `unwell` says why it is not fine.
    async fn end(
        mut self,
        app: &App,
        lock: &LockName,
        unwell: Option<String>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(present) = &mut self.foreign else {
            return Ok(());
        };
        let is_of = |run: &mut RunRecord| run.lock.as_ref().is_none_or(|held| held.name == *lock);
        if let Some(run) = present.kept.run.take_if(is_of) {
            let is_fine = unwell.is_none();
            let over = RunRecord {
                phase: Phase::Done,
                outcome: Some(if is_fine {
                    Outcome::Done
                } else {
                    Outcome::Failed
                }),
                reason: unwell.map(|why| RunReason::Unwell { why }),
                at: now,
                ..run
            };
            reports::receive_run(app, &present.row.name, &over, now).await?;
            let to = over
                .to
                .as_ref()
                .and_then(|to| Version::parse(to.as_str()).ok());
            foreign::set_installed(&mut self.report, &over.package, to.as_ref());
            for installed in &mut self.report.installed {
                if installed.package == over.package {
                    installed.proven = is_fine;
                }
            }
        }
        self.note_heard(app, now).await
    }

    /// Stores that the host was heard of, and what is kept for it.
    async fn note_heard(self, app: &App, now: Timestamp) -> Result<(), Refusal> {
        let Some(present) = self.foreign else {
            return Ok(());
        };
        let report = foreign::with_run(self.report, &present.kept);
        reports::store(app, &present.row.name, &report, now).await?;
        present.kept.keep(app, &present.row.name).await
    }
}
