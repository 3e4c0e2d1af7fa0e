//! `lockstep rollout show`.

use jiff::Timestamp;
use lockstep_model::RolloutId;
use lockstep_model::api::operator::{RolloutView, WaveFigures, WaveHost, WaveView};

use super::bars::{self, Paint};
use super::command::parse_id;
use super::picture::{headline, progress, standing, wave_word};
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep rollout show 7\n  lockstep rollout show 7 --hosts --all"
)]
pub(crate) struct Args {
    /// The rollout's number
    #[arg(value_parser = parse_id)]
    id: RolloutId,
    /// Show every host of every wave
    #[arg(long)]
    hosts: bool,
    /// Show every decision
    #[arg(long)]
    all: bool,
    /// Print JSON, with the hosts of all waves and every decision
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Decisions that are shown when nothing else is asked for.
const NEWEST: usize = 15;
/// Cells of the widest bar.
const CELLS: usize = 20;

/// Shows one rollout.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let hosts = (!args.json && !args.hosts).then(|| "none".to_owned());
    let path = question(&format!("rollouts/{}", args.id), [("hosts", hosts)]);
    let rollout: RolloutView = Operator::open(&args.operator)?.get(&path).await?;
    if args.json {
        out::json(&rollout)?;
        return Ok(Exit::Done);
    }
    out::line(headline(&rollout));
    out::line(standing(&rollout));
    out::line(progress(&rollout, rollout.at));
    if let Some(suspect) = &rollout.suspect {
        let why = out::printable(&suspect.why);
        out::line(format_args!("suspect since {:.0} · {why}", suspect.since));
    }
    if let Some(cluster) = &rollout.cluster {
        out::line(format_args!("common · {}", out::printable(cluster)));
    }
    out::line("");
    waves(&rollout);
    for gate in &rollout.gates {
        out::line(format_args!("gate · {}", out::printable(gate)));
    }
    if args.hosts {
        for (number, wave) in rollout.waves.iter().enumerate() {
            out::line("");
            out::line(format_args!("wave {} · {}", number + 1, wave_word(wave)));
            for host in &wave.hosts {
                let state = out::printable(&host.state);
                let more = more(host);
                out::line(format_args!("  {state:<8}  {}{more}", host.name));
            }
        }
    }
    out::line("");
    let earlier = match args.all {
        true => 0,
        false => rollout.decisions.len().saturating_sub(NEWEST),
    };
    if earlier > 0 {
        out::line(format_args!(
            "… {earlier} earlier decisions; --all shows them"
        ));
    }
    for decision in &rollout.decisions[earlier..] {
        let words = out::printable(&decision.words);
        out::line(format_args!("{:.0}  {words}", decision.at));
    }
    Ok(Exit::Done)
}

/// What is to be said of a host beside its state.
fn more(host: &WaveHost) -> String {
    let mut more = String::new();
    if host.worse {
        more.push_str("  worse than before");
    }
    if let Some(kept) = &host.kept {
        more.push_str(&format!("  {}", out::printable(kept)));
    }
    if let Some(skipped) = &host.skipped {
        let (by, why) = (out::printable(&skipped.by), out::printable(&skipped.why));
        more.push_str(&format!("  left out by {by}: {why}"));
    }
    more
}

/// How a wave's hosts stand, for a column each.
type Column = (&'static str, fn(&WaveFigures) -> usize);

/// Columns that are always there, and those that are left out where they would be empty.
const ALWAYS: [Column; 3] = [
    ("hosts", |it| it.hosts),
    ("let go", |it| it.let_go),
    ("proven", |it| it.proven),
];
const IF_ANY: [Column; 8] = [
    ("told", |it| it.ordered),
    ("running", |it| it.running),
    ("failed", |it| it.failed),
    ("silent", |it| it.silent),
    ("worse", |it| it.worse),
    ("kept", |it| it.kept),
    ("skipped", |it| it.skipped),
    ("gone", |it| it.gone),
];

/// The waves as a table.
fn waves(rollout: &RolloutView) {
    let waves = &rollout.waves;
    let largest = waves.iter().map(|it| it.figures.hosts).max();
    let is_used = |(_, count): &&Column| waves.iter().any(|it| count(&it.figures) > 0);
    let columns: Vec<&Column> = ALWAYS.iter().chain(IF_ANY.iter().filter(is_used)).collect();
    let row = |(number, wave): (usize, &WaveView)| {
        let cells = bars::cells(wave.figures.hosts, largest.unwrap_or(0), CELLS);
        let state = match &wave.skipped_by {
            Some(by) => format!("skipped by {by}"),
            None => wave_word(wave).into(),
        };
        let bar = bars::bar(&wave.figures, cells, Paint::Plain);
        let mut row = vec![(number + 1).to_string(), state, bar];
        row.extend(columns.iter().map(|(_, count)| match count(&wave.figures) {
            0 => "-".to_owned(),
            count => count.to_string(),
        }));
        let at = |time: Option<Timestamp>| out::or_dash(time.map(|it| format!("{it:.0}")));
        row.extend([at(wave.opened_at), at(wave.proven_at)]);
        row
    };
    let mut header = vec!["wave", "state", ""];
    header.extend(columns.iter().map(|(name, _)| *name));
    header.extend(["opened at", "proven at"]);
    let rows = waves.iter().enumerate().map(row).collect();
    out::table(&header, rows, "its waves have not been drawn yet");
}
