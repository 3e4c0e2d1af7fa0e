//! `lockstep audit verify`.

mod file;
mod server;

use std::path::PathBuf;

use lockstep_model::ContentHash;
use serde_json::json;

use super::host_links::HostSummary;
use super::walk::{Broken, Noted, Summary, Walk};
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep audit verify\n  lockstep audit verify --after 812 --hash 5f70…\n  \
    lockstep audit verify --file records.jsonl\n\
    The server sends its chain, and this program does the checking. Note down what it prints at the end, away from the \
    server: with --after and --hash it proves later that nothing of what was there was changed, not even by somebody who \
    has the server. Records of a host that were never received are named, and are no break.\n\
    A host's own chain is in var/lib/lockstep/records.jsonl on that host, and what is older in records.1.jsonl; name the \
    older one first. Exit 1 if a chain is broken."
)]
pub(crate) struct Args {
    /// The number of the newest entry at an earlier time, as it was noted
    #[arg(long, value_name = "NUMBER", requires = "hash", value_parser = clap::value_parser!(u64).range(1..))]
    after: Option<u64>,
    /// Its hash
    #[arg(long, value_name = "HEX", requires = "after", value_parser = ContentHash::parse)]
    hash: Option<ContentHash>,
    /// Check this file of a host in place of the server's chain; may be repeated for files that follow each other
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Walks along the chain, and says what it found.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let noted = match (args.after, args.hash) {
        (Some(number), Some(hash)) => Some(Noted { number, hash }),
        _ => None,
    };
    let mut walk = Walk::begin(noted);
    let walked = match &args.file[..] {
        [] => server::walk(&mut walk, &Operator::open(&args.operator)?).await?,
        files => file::walk(&mut walk, files)?,
    };
    let summary = walk.summary();
    let broken = walked.err();
    if args.json {
        out::json(&json!({ "whole": broken.is_none(), "broken": broken, "chain": summary }))?;
    } else {
        for line in describe(&summary, broken.as_ref(), noted, !args.file.is_empty()) {
            out::line(out::printable(&line));
        }
    }
    Ok(match broken {
        None => Exit::Done,
        Some(_) => Exit::Failed,
    })
}

/// What was found, line by line.
fn describe(
    summary: &Summary,
    broken: Option<&Broken>,
    noted: Option<Noted>,
    is_file: bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(broken) = broken {
        lines.push(broken.to_string());
    }
    let (Some(head), Some(first), Some(from), Some(until)) =
        (summary.head, summary.first, summary.from, summary.until)
    else {
        if broken.is_none() {
            lines.push("the chain is empty".into());
        }
        return lines;
    };
    let verdict = match broken {
        None => "the chain is whole",
        Some(_) => "whole before that",
    };
    lines.push(format!(
        "{verdict}: {} entries, {first} to {}, from {from:.0} to {until:.0}",
        summary.entries, head.number
    ));
    lines.push(format!(
        "{} records of runs, {} deeds",
        summary.runs, summary.deeds
    ));
    if summary.not_understood > 0 {
        lines.push(format!(
            "{} records are of a version that this program does not know; their hosts' own chains were not looked at",
            summary.not_understood
        ));
    }
    if !is_file {
        let hosts = summary.hosts.iter();
        lines
            .extend(hosts.filter_map(|(host, links)| Some(format!("{host}: {}", remarks(links)?))));
    }
    if broken.is_some() {
        return lines;
    }
    if let Some(noted) = noted {
        lines.push(format!(
            "it contains entry {} as it was noted",
            noted.number
        ));
    } else if first > 1 {
        lines.push(format!(
            "nothing proves what was before entry {first}; what was noted then does, with --after and --hash"
        ));
    }
    lines.push(format!(
        "note down: --after {} --hash {}",
        head.number, head.hash
    ));
    lines
}

/// Gaps that are named in one line.
const MOST_NAMED: usize = 10;

/// What is remarkable about a host's own chain.
fn remarks(host: &HostSummary) -> Option<String> {
    let mut words = Vec::new();
    if !host.not_received.is_empty() {
        let gaps = host.not_received.iter().take(MOST_NAMED);
        let mut gaps: Vec<String> = gaps
            .map(|gap| match gap.first == gap.last {
                true => gap.first.to_string(),
                false => format!("{} to {}", gap.first, gap.last),
            })
            .collect();
        if host.not_received.len() > MOST_NAMED {
            gaps.push(format!(
                "{} more gaps",
                host.not_received.len() - MOST_NAMED
            ));
        }
        words.push(format!(
            "not received: {} of its own entries",
            gaps.join(", ")
        ));
    }
    match host.begun_anew {
        0 => {}
        1 => words.push("it has begun its chain anew once".into()),
        times => words.push(format!("it has begun its chain anew {times} times")),
    }
    if host.without_link > 0 {
        words.push(format!(
            "{} of {} records have no place in a chain of its own",
            host.without_link, host.records
        ));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests;
