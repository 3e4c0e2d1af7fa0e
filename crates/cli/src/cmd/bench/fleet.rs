//! `lockstep bench fleet`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use lockstep_model::{Interval, Version};
use lockstep_net::Clock;
use lockstep_sim::bench::{self, Character, Download, Settings};
use lockstep_trust::identity::EnrollmentToken;
use tokio::signal::unix::{SignalKind, signal};

use super::files;
use super::show::{self, Line};
use super::state::State;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  lockstep token create --uses 1000 --json | jq -r .token > token.txt\n  \
    lockstep bench fleet --agents 1000 --server https://127.0.0.1:7440 --token-file token.txt --state bench --for 10m\n\
    Exit 0: the time is over, or all agents have proven the version of --until-version; 1: they have not."
)]
pub(crate) struct Args {
    /// How many agents
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    agents: u32,
    /// Address of the server's agent API
    #[arg(long, value_name = "URL")]
    server: String,
    /// Where the agents' keys, certificates and memories are kept, so that the next bench uses them again
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// An enrolment token with a use for each agent that is new. Other users of this machine can see it in the list of
    /// processes while the command runs
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file whose first line is the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What the agents' names begin with
    #[arg(long, default_value = "sim")]
    name: String,
    /// End after this time [default: with Ctrl-C]
    #[arg(long = "for", value_name = "TIME")]
    length: Option<Interval>,
    /// End when all agents have proven this version
    #[arg(long, value_name = "VERSION")]
    until_version: Option<Version>,
    /// The time over which the agents connect at the beginning
    #[arg(long, value_name = "TIME", default_value = "30s")]
    ramp: Interval,
    /// The time between two reports of an agent [default: what the server says]
    #[arg(long, value_name = "TIME")]
    report: Option<Interval>,
    /// Items in a report
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(0..=500))]
    items: u16,
    /// The version that new agents have at first [default: this program's]
    #[arg(long, value_name = "VERSION")]
    from_version: Option<Version>,
    /// Whether bundles are fetched, or only their first 64 kB
    #[arg(long, value_enum, default_value_t = DownloadArg::None)]
    download: DownloadArg,
    /// How long a version takes from its bundle to its trial
    #[arg(long, value_name = "TIME", default_value = "2s")]
    apply: Interval,
    /// How long a version is tried
    #[arg(long, value_name = "TIME", default_value = "5s")]
    probation: Interval,
    /// The longest way to a bundle
    #[arg(long, value_name = "TIME", default_value = "500ms")]
    network: Interval,
    /// Share of the agents that fail a version
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share)]
    fail: f64,
    /// A version that fails on every agent
    #[arg(long, value_name = "VERSION")]
    bad_version: Option<Version>,
    /// A version under which an item gets worse
    #[arg(long, value_name = "VERSION")]
    worse_version: Option<Version>,
    /// On which share of the agents it does
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = share)]
    worse: f64,
    /// Share of the agents that are never heard of again when they try a version
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share)]
    silent: f64,
    /// What is drawn by lot is drawn from this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Whether bundles are fetched.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DownloadArg {
    /// All their bytes
    Full,
    /// Their first 64 kB
    None,
}

/// Holds the bench.
pub(crate) fn run(args: Args) -> anyhow::Result<Exit> {
    ensure!(
        args.fail + args.silent <= 1.0,
        "--fail and --silent together are more than 100%"
    );
    if let Some(warning) = files::make_room(args.agents)? {
        out::note(warning);
    }
    let state = State::open(&args.state)?;
    let known = state.load()?;
    let json = args.json;
    let settings = settings(args)?;
    if settings.download == Download::None {
        out::note("of bundles only the first 64 kB are fetched (--download full fetches all)");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let summary = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        let mut line = Line::new();
        let clock = Clock::system();
        let held = bench::run(settings, known, Arc::new(state), &clock, stop, |news| {
            line.show(&news);
        })
        .await;
        line.end();
        anyhow::Ok(held?)
    })?;
    // What is left of ten thousand connections need not be taken apart one by one.
    runtime.shutdown_background();
    if json {
        out::json(&summary)?;
    } else {
        show::summary(&summary);
    }
    Ok(match summary.until {
        Some(false) => Exit::Failed,
        _ => Exit::Done,
    })
}

fn settings(args: Args) -> anyhow::Result<Settings> {
    let token = match (args.token, &args.token_file) {
        (Some(token), _) => Some(token),
        (None, Some(path)) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("failed to read {}", path.display()))?,
        ),
        (None, None) => None,
    };
    let parse =
        |text: String| EnrollmentToken::parse(text.lines().next().unwrap_or_default().trim());
    let download = match args.download {
        DownloadArg::Full => Download::Full,
        DownloadArg::None => Download::None,
    };
    Ok(Settings {
        server: args.server,
        agents: args.agents,
        name: args.name,
        token: token.map(parse).transpose()?,
        from_version: args.from_version.unwrap_or_else(Version::of_this_program),
        character: Character {
            seed: args.seed,
            items: usize::from(args.items),
            fail: args.fail,
            bad_version: args.bad_version,
            worse_version: args.worse_version,
            worse: args.worse,
            silent: args.silent,
            apply: args.apply.duration(),
            probation: args.probation.duration(),
            network: args.network.duration(),
            report: args.report.map(Interval::duration),
        },
        download,
        ramp: args.ramp.duration(),
        length: args.length.map(Interval::duration),
        until: args.until_version,
    })
}

/// A share: `2%`, or `0.02`.
fn share(text: &str) -> anyhow::Result<f64> {
    let (number, whole) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim(), 100.0),
        None => (text.trim(), 1.0),
    };
    let share = number.parse::<f64>().ok().map(|number| number / whole);
    match share {
        Some(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => bail!("a share is 0% to 100%, or 0 to 1, not {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_written_in_two_ways() {
        assert_eq!(share("2%").unwrap(), 0.02);
        assert_eq!(share("0.02").unwrap(), 0.02);
        assert_eq!(share("100 %").unwrap(), 1.0);
        for bad in ["", "%", "-1%", "101%", "1.5", "NaN", "two"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
