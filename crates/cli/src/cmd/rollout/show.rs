//! `lockstep rollout show`.

use lockstep_model::RolloutId;
use lockstep_model::api::operator::{RolloutView, WaveView};

use super::bars::{self, Paint};
use super::command::parse_id;
use super::picture::{headline, progress, wave_word};
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
    let why = out::printable(&rollout.why);
    out::line(format_args!("{} · {why}", rollout.state));
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
                out::line(format_args!("  {state:<8}  {}", host.name));
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

/// The waves as a table.
fn waves(rollout: &RolloutView) {
    let largest = rollout.waves.iter().map(|it| it.figures.hosts).max();
    let row = |(number, wave): (usize, &WaveView)| {
        let figures = &wave.figures;
        let cells = bars::cells(figures.hosts, largest.unwrap_or(0), CELLS);
        let count = |count: usize| match count {
            0 => "-".to_owned(),
            count => count.to_string(),
        };
        let at = |time: Option<jiff::Timestamp>| out::or_dash(time.map(|it| format!("{it:.0}")));
        let mut row = vec![
            (number + 1).to_string(),
            match &wave.skipped_by {
                Some(by) => format!("skipped by {by}"),
                None => wave_word(wave).into(),
            },
            bars::bar(figures, cells, Paint::Plain),
        ];
        row.extend(
            [
                figures.hosts,
                figures.let_go,
                figures.ordered,
                figures.running,
                figures.proven,
                figures.failed,
                figures.silent,
                figures.kept,
                figures.gone,
                figures.worse,
            ]
            .map(count),
        );
        row.extend([at(wave.opened_at), at(wave.proven_at), at(wave.bakes_until)]);
        row
    };
    out::table(
        &[
            "wave",
            "state",
            "",
            "hosts",
            "let go",
            "told",
            "running",
            "proven",
            "failed",
            "silent",
            "kept",
            "gone",
            "worse",
            "opened",
            "proven at",
            "watched until",
        ],
        rollout.waves.iter().enumerate().map(row).collect(),
        "its waves have not been drawn yet",
    );
}
