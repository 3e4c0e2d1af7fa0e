//! What the commands that carry out a run have in common: who asks, how a person goes on with a run that is under way or has
//! stopped, what signals say to it, and how its end is told.

use std::io::IsTerminal;

use lockstep_agent::run::{Ended, Engine, Reentry};
use lockstep_model::RunVerb;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;
use crate::out;

/// How one goes on: the same options for every kind of run.
#[derive(Debug, Default, clap::Args)]
pub(super) struct GoingOn {
    /// Only go on with a run that is under way
    #[arg(long)]
    pub(super) resume: bool,
    /// Enter the phase in which the run has stopped once more
    #[arg(long, conflicts_with = "skip")]
    retry: bool,
    /// Give the run that has stopped up, leave the host as it is, and free its lock
    #[arg(long, requires = "why")]
    skip: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

impl GoingOn {
    /// Which runs are meant: whoever says how one goes on begins none.
    pub(super) fn reentry(&self) -> Reentry {
        match self.resume || self.retry || self.skip {
            true => Reentry::OnlyUnderWay,
            false => Reentry::Any,
        }
    }

    fn verb(&self) -> Option<RunVerb> {
        match (self.retry, self.skip) {
            (true, _) => Some(RunVerb::Retry),
            (_, true) => Some(RunVerb::Skip),
            _ => None,
        }
    }

    /// Has the engine go on, with what the person says of a run that has stopped.
    pub(super) async fn run(&self, mut engine: Engine) -> anyhow::Result<Ended> {
        if let Some(verb) = self.verb() {
            let (by, why) = (whoever_asks(), self.why.as_deref().unwrap_or_default());
            if !engine.obey_person(verb, &by, why)? {
                anyhow::bail!("the run has not stopped, so there is nothing to retry or skip");
            }
        } else {
            engine.ask_person().await?;
        }
        Ok(engine.run().await?)
    }
}

/// What signals say to a run.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Becomes true at the first SIGTERM or SIGINT: the run ends behind the step that is under way, and goes on when it is
    /// called again. The second one ends the process, and whatever it has started.
    pub(super) stop: watch::Receiver<bool>,
    /// Changes at each SIGHUP, by which the agent says that the server has news. A terminal that is closed says the same,
    /// and ends no run.
    pub(super) news: watch::Receiver<u64>,
}

impl Told {
    /// Listens from now on.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let (stopping, stop) = watch::channel(false);
        let (telling, news) = watch::channel(0);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                telling.send_modify(|times| *times += 1);
            }
        });
        tokio::spawn(async move {
            for times in 0_u8.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if times > 0 {
                    out::note(
                        "lockstep: ended at once; what was under way is entered again the next time",
                    );
                    std::process::exit(1);
                }
                stopping.send_replace(true);
                out::note(
                    "lockstep: ends behind the step that is under way; once more ends at once",
                );
            }
        });
        Ok(Self { stop, news })
    }
}

/// Who calls, as far as that can be told.
pub(super) fn whoever_asks() -> String {
    let name = ["SUDO_USER", "LOGNAME", "USER"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    match (name, std::io::stdin().is_terminal()) {
        (Some(name), true) => format!("{name} by hand"),
        (None, true) => "a person by hand".into(),
        (_, false) if std::env::var_os("INVOCATION_ID").is_some() => "a systemd unit".into(),
        (_, false) => "cron or a script".into(),
    }
}

/// Says how it ended.
pub(super) fn tell(ended: &Ended, json: bool) -> anyhow::Result<Exit> {
    if json {
        out::json(ended)?;
    } else {
        match ended {
            Ended::Nothing => out::line("nothing to do"),
            Ended::Over {
                outcome,
                reason: None,
            } => out::line(outcome),
            Ended::Over {
                outcome,
                reason: Some(reason),
            } => out::line(format_args!("{outcome}: {reason}")),
            Ended::Stopped { phase, reason } => out::line(format_args!(
                "stopped in phase {phase}: {reason}\nThe lock is kept. Look at the output, mend the host, then run this command with --retry, or with --skip --why\nTEXT; `lockstep run retry` and `run skip` do the same from the server."
            )),
            Ended::Interrupted { phase, waits } => match waits {
                Some(waits) => out::line(format_args!(
                    "in phase {phase}: {waits}; goes on when called again"
                )),
                None => out::line(format_args!("in phase {phase}; goes on when called again")),
            },
        }
    }
    Ok(match ended {
        Ended::Nothing | Ended::Interrupted { .. } => Exit::Done,
        Ended::Over { outcome, .. } if *outcome == lockstep_model::Outcome::Done => Exit::Done,
        Ended::Over { .. } | Ended::Stopped { .. } => Exit::Failed,
    })
}
