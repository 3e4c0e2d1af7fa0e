//! `lockstep update`: one upgrade of this host's operating system, from a person, cron, a timer or the agent.

use std::io::IsTerminal;
use std::path::PathBuf;

use lockstep_agent::run::config::UpgradeConfig;
use lockstep_agent::run::{Begin, Ended, Engine, Reentry};
use lockstep_net::Clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;

use super::agent::RootArgs;
use super::going_on::GoingOn;
use crate::env;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep update\nExample, from a unit that starts at boot: lockstep update --after-reboot\n\nExit codes: 0 done, or nothing to do; 1 failed, or stopped until a person says how it goes on; 3 another process\nis at it."
)]
pub(crate) struct Args {
    /// The configuration; etc/lockstep/update.toml below the root if it is left out
    #[arg(long, alias = "cfg", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only go on with a run that waits for the machine's restart, or is behind it
    #[arg(long, alias = "after_reboot", conflicts_with_all = ["resume", "retry", "skip"])]
    after_reboot: bool,
    #[command(flatten)]
    going_on: GoingOn,
    /// Who asks for it, for the record
    #[arg(long, value_name = "TEXT")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    root: RootArgs,
}

/// Everything for a person who looks on and for a log that is kept; what is wrong for cron, which sends mail.
pub(crate) fn log_level() -> LevelFilter {
    let is_kept = [env::LOG_DIR, "JOURNAL_STREAM"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    match is_kept || std::io::stderr().is_terminal() {
        true => LevelFilter::INFO,
        false => LevelFilter::WARN,
    }
}

/// Runs it.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    let config = match &args.config {
        Some(path) => UpgradeConfig::load(path, true)?,
        None => UpgradeConfig::load(&layout.update_config(), false)?,
    };
    let clock = Clock::system();
    let told = Told::listen()?;
    let begin = Begin {
        layout: &layout,
        clock: &clock,
        by: args.by.clone().unwrap_or_else(whoever_asks),
        reentry: match args.after_reboot {
            true => Reentry::AfterReboot,
            false => args.going_on.reentry(),
        },
        stop: told.stop,
        news: told.news,
    };
    let Some(engine) = Engine::system(begin, config)? else {
        return tell(&Ended::Nothing, args.json);
    };
    let ended = args.going_on.run(engine).await?;
    tell(&ended, args.json)
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
