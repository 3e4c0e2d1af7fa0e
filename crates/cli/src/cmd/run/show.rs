//! `lockstep run show`.

use lockstep_model::api::operator::RunView;
use lockstep_model::{Outcome, RunId, RunKind};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep run show 019b0a5c-2d00-7abc-8def-0123456789ab")]
pub(crate) struct Args {
    /// The run
    id: RunId,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows one run.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let run: RunView = Operator::open(&args.operator)?
        .get(&format!("runs/{}", args.id))
        .await?;
    if args.json {
        out::json(&run)?;
        return Ok(Exit::Done);
    }
    for line in describe(&run) {
        out::line(out::printable(&line));
    }
    if !run.record.log.is_empty() {
        out::line("");
        for line in run.record.log.trim_end().lines() {
            out::line(out::printable(&line.replace('\t', "    ")));
        }
    }
    Ok(Exit::Done)
}

/// Everything but the output, line by line.
fn describe(run: &RunView) -> Vec<String> {
    let record = &run.record;
    let mut lines = vec![format!("run {} on {}", record.id, run.host)];
    let kind = match record.kind {
        RunKind::Bundle => "",
        RunKind::Package => ", by the package manager",
        RunKind::System => ", the operating system",
        RunKind::Reboot => ", a restart of the machine",
    };
    lines.push(match &record.hash {
        Some(hash) => format!("{}{kind} ({hash})", record.what()),
        None => format!("{}{kind}", record.what()),
    });
    let by = match record.by.as_str() {
        "" => format!("under order {}", record.generation),
        by => format!("by {by}"),
    };
    lines.push(format!("began {:.0}, {by}", record.started_at));
    if let Some(lock) = &record.lock {
        lines.push(format!(
            "holds the lock {} since {:.0} (grant {})",
            lock.name, lock.since, lock.fence
        ));
    }
    if let Some(waits) = &record.waits {
        lines.push(format!("waits: {waits}"));
    }
    lines.push(match record.outcome {
        Some(Outcome::Stopped) => format!("stopped in phase {} at {:.0}", record.phase, record.at),
        Some(outcome) => format!("{outcome} at {:.0}", record.at),
        None => format!("in phase {} since {:.0}", record.phase, record.at),
    });
    if let Some(reason) = &record.reason {
        lines.push(format!("because {reason}"));
    }
    if let Some(link) = &record.link {
        lines.push(format!(
            "entry {} of the host's own chain of records, {}",
            link.number, link.hash
        ));
    }
    if record.outcome == Some(Outcome::Stopped) {
        let frees = record.lock.as_ref().map_or(String::new(), |lock| {
            format!(", and frees the lock {}", lock.name)
        });
        lines.push("it waits for a person; one of these goes on from here:".into());
        lines.push(format!(
            "  lockstep run retry {}             enters phase {} once more",
            record.id, record.phase
        ));
        lines.push(format!(
            "  lockstep run skip {} --why WHY    leaves the host as it is{frees}",
            record.id
        ));
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use jiff::Timestamp;
    use lockstep_model::{
        ChainLink, ContentHash, Fence, HostName, LockName, PackageName, PackageVersion, Phase,
        RunLock, RunReason, RunRecord,
    };

    pub(in super::super) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    pub(in super::super) fn stopped() -> RunView {
        let version = |text| Some(PackageVersion::parse(text).unwrap());
        RunView {
            host: HostName::parse("web1").unwrap(),
            record: RunRecord {
                id: "019b0a5c-2d00-7abc-8def-0123456789ab".parse().unwrap(),
                kind: RunKind::Package,
                package: PackageName::parse("driveclient").unwrap(),
                from: version("1.19"),
                to: version("1.20"),
                hash: None,
                generation: 0,
                by: "root by hand".into(),
                phase: Phase::Post,
                waits: None,
                lock: Some(RunLock {
                    name: LockName::parse("db").unwrap(),
                    fence: Fence(7),
                    since: at(900),
                }),
                outcome: Some(Outcome::Stopped),
                reason: Some(RunReason::ScriptFailed {
                    phase: Phase::Post,
                    script: "30-check".into(),
                    how: "exit status: 1".into(),
                }),
                started_at: at(800),
                at: at(1_000),
                log: "no space left\n".into(),
                link: Some(ChainLink {
                    number: 12,
                    before: ContentHash::of(b"before"),
                    hash: ContentHash::of(b"this"),
                }),
            },
        }
    }

    #[test]
    fn a_stopped_run_is_shown_with_the_ways_on() {
        let hash = ContentHash::of(b"this");
        let expected = format!(
            "\
run 019b0a5c-2d00-7abc-8def-0123456789ab on web1
driveclient 1.19 → 1.20, by the package manager
began 1970-01-01T00:13:20Z, by root by hand
holds the lock db since 1970-01-01T00:15:00Z (grant 7)
stopped in phase post at 1970-01-01T00:16:40Z
because 30-check of phase post failed: exit status: 1
entry 12 of the host's own chain of records, {hash}
it waits for a person; one of these goes on from here:
  lockstep run retry 019b0a5c-2d00-7abc-8def-0123456789ab             enters phase post once more
  lockstep run skip 019b0a5c-2d00-7abc-8def-0123456789ab --why WHY    leaves the host as it is, and frees the lock db"
        );
        assert_eq!(describe(&stopped()).join("\n"), expected);
    }

    #[test]
    fn only_a_stopped_run_has_ways_on() {
        let mut run = stopped();
        run.record.outcome = Some(Outcome::Done);
        run.record.reason = None;
        let words = describe(&run).join("\n");
        assert!(
            words.contains("done at 1970") && !words.contains("lockstep run"),
            "{words}"
        );
    }
}
