//! `lockstep rollout simulate`.

mod hosts;
mod show;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use lockstep_host::fs::{Mode, write_durable};
use lockstep_model::{ChannelName, Interval, PackageName, Percent, Quantity, Strategy, Version};
use lockstep_net::Clock;
use lockstep_sim::simulate::{Exposure, Fleet, Healthy, Settings, impossible, runs, svg};

use crate::exit::Exit;
use crate::operator::OperatorArgs;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lockstep rollout simulate --hosts 10000\n  \
    lockstep rollout simulate --fleet fleet.toml --package web --channel stable --svg plan.svg\n  \
    lockstep rollout simulate --strategy careful.toml --hosts 1000000 --push --delta 300kB\n\
    Without --hosts and --fleet it asks the server for its hosts and its fleet file.\n\
    Exit 0: the rollout would be done; 1: it would not be, and the last lines say why.")]
pub(crate) struct Args {
    /// A fleet file: its strategies, its hosts and their labels
    #[arg(long, value_name = "FILE")]
    fleet: Option<PathBuf>,
    /// So many invented hosts instead, in racks of 20 to 40 and sites of 500
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(Fleet::MOST)))]
    hosts: Option<u32>,
    /// A file with the keys of a strategy, instead of the channel's
    #[arg(long, value_name = "FILE")]
    strategy: Option<PathBuf>,
    /// The package
    #[arg(long, default_value = "lockstep")]
    package: PackageName,
    /// The channel
    #[arg(long, default_value = "stable")]
    channel: ChannelName,
    /// As `release promote --urgent`: no windows, no spread, the shorter bake time
    #[arg(long)]
    urgent: bool,
    /// When it begins, as 2026-03-02T09:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// What is drawn by lot is drawn from this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulations for each figure about risk; fewer where the fleet is large [default: 100]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: Option<u32>,
    /// The time between two reports of a host
    #[arg(long, value_name = "TIME", default_value = "5m")]
    report: Interval,
    /// Hosts hold a stream to the server, and hear of an order within seconds
    #[arg(long)]
    push: bool,
    /// Size of the bundle
    #[arg(long, value_name = "BYTES", default_value = "5MB", value_parser = bytes)]
    size: u64,
    /// Size of the delta that hosts fetch instead
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    delta: Option<u64>,
    /// What the server can send
    #[arg(long, value_name = "RATE", default_value = "1Gbit/s", value_parser = rate)]
    uplink: f64,
    /// Downloads that the server serves at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    downloads: u32,
    /// What the line to each site can carry [default: no matter]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    site_rate: Option<f64>,
    /// How long a bundle takes until its version is tried, in the median
    #[arg(long, value_name = "TIME", default_value = "20s")]
    apply: Interval,
    /// How long a version is tried
    #[arg(long, value_name = "TIME", default_value = "2m")]
    probation: Interval,
    /// Share of the hosts that are away at any time; they come back after four hours in the mean
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
    offline: f64,
    /// Share of the hosts on which a release without fault fails
    #[arg(long, value_name = "SHARE", default_value = "0.1%", value_parser = share)]
    fail: f64,
    /// Share of the hosts that get worse by themselves within an hour, and well again after an hour in the mean
    #[arg(long, value_name = "SHARE", default_value = "0.1%", value_parser = share)]
    noise: f64,
    /// Share of the hosts that a bad release breaks; may be given more than once [default: 1%, 2%, 5%, 10%, 50%]
    #[arg(long = "break", value_name = "SHARE", value_parser = share)]
    breaks: Vec<f64>,
    /// When broken hosts show it, after the start of the new version, in the median
    #[arg(long, value_name = "TIME", default_value = "1m")]
    shows_after: Interval,
    /// Write a drawing of it
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Simulates a rollout.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let given = args.strategy.as_deref().map(read_strategy).transpose()?;
    let source = match hosts::find(&args, given).await? {
        Ok(source) => source,
        Err(exit) => return Ok(exit),
    };
    let strategy = if args.urgent {
        source.strategy.urgent()
    } else {
        source.strategy
    };
    let settings = settings(&args)?;
    let fleet = source.hosts.draw(&strategy, args.seed);
    let hosts = fleet.len();
    ensure!(
        hosts > 0,
        "no host follows {} of {}; look at [follow] in the fleet file, or invent hosts with --hosts 1000",
        args.channel,
        args.package
    );
    let runs = args
        .runs
        .map_or_else(|| runs(100, hosts), |runs| runs as usize);
    let never = impossible(&strategy, hosts, &settings);
    // What can never finish is shown once.
    let runs = if never.is_some() { 1 } else { runs };
    let healthy = Healthy::of(&fleet, &strategy, &settings, runs, args.seed);
    let exposures: Vec<Exposure> = match &never {
        Some(_) => Vec::new(),
        None => breaks(&args)
            .into_iter()
            .map(|share| Exposure::of(&fleet, &strategy, &settings, share, runs, args.seed))
            .collect(),
    };
    let shown = show::Shown {
        package: &args.package,
        channel: &args.channel,
        from: &source.from,
        strategy: &strategy,
        hosts,
        never: never.as_deref(),
        healthy: &healthy,
        exposures: &exposures,
    };
    if let Some(path) = &args.svg {
        let title = format!("{} to {}: {hosts} hosts", args.package, args.channel);
        let drawing = svg::draw(&healthy.plan, &strategy, hosts, &title);
        write_durable(path, drawing.as_bytes(), Mode::Public)
            .with_context(|| format!("failed to write the drawing to {}", path.display()))?;
    }
    if args.json {
        out::json(&shown.json())?;
    } else {
        shown.print();
    }
    Ok(if healthy.done > 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let start = args.start.unwrap_or_else(|| Clock::system().now());
    ensure!(
        args.offline < 1.0,
        "--offline 100%: nobody would be there; give a share below that"
    );
    let version: Version = "2.0.0".parse()?;
    Ok(Settings {
        report: args.report.duration(),
        push: args.push,
        bytes: args.delta.unwrap_or(args.size),
        uplink: args.uplink,
        downloads: args.downloads,
        site_rate: args.site_rate,
        apply: args.apply.duration(),
        probation: args.probation.duration(),
        offline: args.offline,
        fail: args.fail,
        noise: args.noise,
        shows_after: args.shows_after.duration(),
        ..Settings::new(start, version)
    })
}

fn breaks(args: &Args) -> Vec<f64> {
    if args.breaks.is_empty() {
        vec![0.01, 0.02, 0.05, 0.1, 0.5]
    } else {
        args.breaks.clone()
    }
}

/// Largest file with a strategy, in bytes.
const MAX_FILE: u64 = 1_000_000;

fn read_strategy(path: &std::path::Path) -> anyhow::Result<Strategy> {
    let failed = || format!("failed to read the strategy {}", path.display());
    let length = std::fs::metadata(path).with_context(failed)?.len();
    ensure!(
        length <= MAX_FILE,
        "{} has {length} bytes; a strategy has at most {MAX_FILE}",
        path.display()
    );
    let text = std::fs::read_to_string(path).with_context(failed)?;
    toml::from_str(&text).with_context(|| {
        format!(
            "{} is not a strategy; its keys are those of [strategy.NAME] in a fleet file",
            path.display()
        )
    })
}

/// A share, as `2%`.
fn share(text: &str) -> Result<f64, String> {
    let percent: Percent = text.parse()?;
    Ok(f64::from(percent.thousandths()) / 100_000.0)
}

/// A size, as `5MB`, or a bare number.
fn bytes(text: &str) -> Result<u64, String> {
    let quantity = Quantity::parse(text)?;
    if !matches!(quantity.unit.as_str(), "" | "bytes") || !(1.0..1e15).contains(&quantity.value) {
        return Err(format!("{text:?} is not a size; write it as 5MB or 300kB"));
    }
    Ok(quantity.value as u64)
}

/// A rate, as `100Mbit/s`.
fn rate(text: &str) -> Result<f64, String> {
    let quantity = Quantity::parse(text)?;
    if quantity.unit != "bytes/s" || quantity.value < 1.0 {
        return Err(format!(
            "{text:?} is not a rate; write it as 100Mbit/s or 20MB/s"
        ));
    }
    Ok(quantity.value)
}
