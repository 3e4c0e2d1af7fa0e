//! `lockstep package-update`: keeps one package of this host's package manager current, once or as a daemon.
//!
//! The letters are those of cloudbackup-updater.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use lockstep_agent::run::config::PackageFile;
use lockstep_agent::run::{Attempt, Begin, Ended, Engine, permitted};
use lockstep_host::pid_file::PidFile;
use lockstep_host::{Layout, fs};
use lockstep_model::{AptSource, Interval, PackageName, PackageRule, Spread};
use lockstep_net::Clock;
use lockstep_net::client::{Belief, Visit, Visitor};
use tracing::{error, info};

use super::agent::RootArgs;
use super::by_hand::{GoingOn, Told, tell, whoever_asks};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep package-update driveclient\nExample, as a daemon: lockstep package-update -d -v -r https://agentrepo.example.org -i 60 driveclient\n\nExit codes: 0 done, or nothing to do; 1 failed, or a second daemon; 2 used wrongly; 3 another process is at it."
)]
pub(crate) struct Args {
    /// The package, as its package manager calls it
    name: PackageName,
    /// Stay, and look again and again; each host changes at its own moment
    #[arg(short, long, conflicts_with_all = ["resume", "retry", "skip"])]
    daemon: bool,
    /// The base of a vendor's repository: URI/version.txt, URI/debian/ and so on
    #[arg(short, long, value_name = "URI")]
    repository: Option<String>,
    /// Look every so many minutes
    #[arg(short, long, value_name = "MIN", value_parser = clap::value_parser!(u64).range(1..=10_080))]
    interval: Option<u64>,
    /// Write the log to this file, which is begun anew when it is large
    #[arg(short, long, value_name = "PATH")]
    pub(crate) log: Option<PathBuf>,
    /// The daemon's pid file
    #[arg(short, long, value_name = "PATH")]
    pid_file: Option<PathBuf>,
    /// Say more
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// The public key that signs the repository, in ASCII armour
    #[arg(long, value_name = "FILE", requires = "repository")]
    key: Option<PathBuf>,
    /// The curve by which the daemons of a fleet begin: gamma, none, or as in "6h:50%, 14h:100%"
    #[arg(long, value_name = "CURVE")]
    spread: Option<Spread>,
    #[command(flatten)]
    going_on: GoingOn,
    /// As the server's work document says, and not now but at this host's moment
    #[arg(long, hide = true)]
    work: bool,
    /// Who asks for it, for the record
    #[arg(long, value_name = "TEXT", hide = true)]
    by: Option<String>,
    #[command(flatten)]
    root: RootArgs,
}

/// Runs it.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let layout = args.root.layout()?;
    let clock = Clock::system();
    let told = Told::listen()?;
    let rule = rule(&args, &layout, &clock).await?;
    if args.daemon {
        return daemon(&args, &layout, &clock, rule, told).await;
    }
    // Whoever only goes on with a run does not call its moment, nor leave its hours: the agent does so.
    let attempt = match args.work || args.going_on.resume {
        true => Attempt::Leave,
        false => Attempt::Now,
    };
    let ended = once(&args, &layout, &clock, rule, attempt, &told).await?;
    tell(&ended, false)
}

/// What is to be kept current, by the server's word, by a file of this host, and by the command line.
async fn rule(args: &Args, layout: &Layout, clock: &Clock) -> anyhow::Result<PackageRule> {
    // A run that is under way is gone on with by the word by which it began, whatever is said here.
    let mut rule = match args.work {
        true => permitted(layout, &args.name)?,
        false => PackageFile::load(layout, &args.name)?,
    };
    if let Some(minutes) = args.interval {
        rule.every = Interval::from_secs(60 * minutes);
    }
    if let Some(spread) = &args.spread {
        rule.spread = spread.clone();
    }
    if let Some(base) = &args.repository {
        let base = base.trim_end_matches('/');
        rule.published = Some(format!("{base}/version.txt"));
        if rule.sources.is_empty() {
            rule.sources.apt = Some(AptSource {
                uri: format!("{base}/debian/"),
                suite: "serveragent".into(),
                components: vec!["main".into()],
                key: key(args.key.as_deref(), base, clock).await?,
            });
        }
    }
    Ok(rule)
}

/// The key of a vendor's repository: from a file of this host, or from the repository if nobody can change it on the
/// way.
async fn key(file: Option<&Path>, base: &str, clock: &Clock) -> anyhow::Result<String> {
    let largest = PackageRule::LARGEST_KEY;
    if let Some(file) = file {
        let bytes = fs::read_capped(file, largest as u64)?;
        let bytes = bytes.with_context(|| format!("there is no key {}", file.display()))?;
        return String::from_utf8(bytes)
            .with_context(|| format!("{} is not in ASCII armour", file.display()));
    }
    let url = format!("{base}/debian/agentrepo.key");
    if !base.starts_with("https://") {
        bail!(
            "{url} would come over a connection that anybody can change; give the key with --key FILE, or use https"
        );
    }
    let visitor = Visitor::new(&Belief::as_the_system(clock).await?)?;
    let visit = Visit {
        method: "GET".into(),
        url: url.clone(),
        authorization: None,
        max_body: largest,
    };
    let visited = tokio::time::timeout(Duration::from_secs(30), visitor.ask(&visit)).await;
    let visited = visited.with_context(|| format!("{url} did not come within 30 s"))??;
    if visited.status != 200 || visited.cut {
        bail!("{url} cannot be fetched: status {}", visited.status);
    }
    String::from_utf8(visited.body).with_context(|| format!("{url} is not in ASCII armour"))
}

async fn once(
    args: &Args,
    layout: &Layout,
    clock: &Clock,
    rule: PackageRule,
    attempt: Attempt,
    told: &Told,
) -> anyhow::Result<Ended> {
    let begin = Begin {
        layout,
        clock,
        by: args.by.clone().unwrap_or_else(whoever_asks),
        reentry: args.going_on.reentry(),
        stop: told.stop.clone(),
        news: told.news.clone(),
    };
    let Some(engine) = Engine::package(begin, rule, attempt).await? else {
        return Ok(Ended::Nothing);
    };
    args.going_on.run(engine).await
}

/// Looks again and again until it is told to end. What fails is logged and tried the next time.
async fn daemon(
    args: &Args,
    layout: &Layout,
    clock: &Clock,
    rule: PackageRule,
    mut told: Told,
) -> anyhow::Result<Exit> {
    let default = || {
        let name = format!("run/lockstep/package-update-{}.pid", args.name);
        layout.root().join(name)
    };
    let path = args.pid_file.clone().unwrap_or_else(default);
    let pid = match PidFile::hold(&path) {
        Ok(pid) => pid,
        Err(error @ lockstep_host::Error::LockHeld { .. }) => {
            out::note(format_args!("lockstep: another daemon is at it: {error}"));
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error.into()),
    };
    info!(package = %args.name, every = %rule.every, pid_file = %path.display(), "keeping it current");
    while !*told.stop.borrow() {
        match once(args, layout, clock, rule.clone(), Attempt::Spread, &told).await {
            Ok(Ended::Nothing) => info!(package = %args.name, "nothing to do"),
            Ok(ended) => log(args, &ended),
            Err(error) => error!(package = %args.name, "{error:#}; tried again the next time"),
        }
        tokio::select! {
            () = tokio::time::sleep(rule.every.duration()) => {}
            _ = told.stop.wait_for(|stop| *stop) => {}
        }
    }
    info!(package = %args.name, "ended");
    drop(pid);
    Ok(Exit::Done)
}

/// What a daemon says of a run. What went wrong is said even if little is.
fn log(args: &Args, ended: &Ended) {
    let package = &args.name;
    match ended {
        Ended::Over {
            outcome,
            reason: Some(reason),
        } => {
            error!(%package, %outcome, %reason, "the run did not end well; looked at again the next time")
        }
        Ended::Stopped { phase, reason } => error!(
            %package,
            %phase,
            %reason,
            "the run has stopped; mend the host, then call lockstep package-update {package} with --retry, or --skip --why TEXT"
        ),
        ended => info!(%package, ?ended, "a run ended"),
    }
}
