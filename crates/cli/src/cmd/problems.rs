//! `lockstep problems`.

pub(super) mod past;

use std::ffi::OsString;

use jiff::Timestamp;
use lockstep_model::api::operator::ProblemView;
use lockstep_model::{Glob, HostName, Level};
use lockstep_net::Clock;

use super::event::rank;
use crate::exit::{Exit, UsedWrongly};
use crate::operator::{MOST, Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep problems\n  lockstep problems --unhandled --plugin\n  \
    lockstep problems --group web --item 'disk_usage:*' --level critical\n  lockstep problems --cause 'item disk_usage:/'\n  lockstep problems --at 6h\n  \
    lockstep problems --at 2026-11-22T10:00:00Z --host web1\n\
    With --plugin the exit code is the one of a Nagios plugin: 0 all is well or taken care of, 1 something is sick, 2 \
    something is critical or dead, 3 nothing can be said: the server does not answer, nobody knows the group or the host, or \
    an option is wrong."
)]
pub(crate) struct Args {
    /// Of hosts that match: a name, or a pattern
    #[arg(long, value_name = "HOST", value_parser = Glob::parse)]
    host: Option<Glob>,
    /// Of hosts of this group
    #[arg(long, value_name = "GROUP", conflicts_with = "at")]
    group: Option<String>,
    /// Of items that match
    #[arg(long, value_name = "ITEM", value_parser = Glob::parse, conflicts_with = "at")]
    item: Option<Glob>,
    /// At this level, or a worse one
    #[arg(long, value_name = "LEVEL", value_parser = rank, conflicts_with = "at")]
    level: Option<u8>,
    /// With this cause, as the address of a group on the page of problems has it
    #[arg(long, value_name = "CAUSE", conflicts_with = "at")]
    cause: Option<String>,
    /// Only those that nobody is on and nothing explains
    #[arg(long)]
    unhandled: bool,
    /// What was not well at a moment of the last four weeks, or so long ago; with --host, all its items
    #[arg(long, value_name = "TIME", value_parser = past::moment, conflicts_with_all = ["unhandled", "plugin"])]
    at: Option<Timestamp>,
    /// End with the exit code of a Nagios plugin
    #[arg(long)]
    plugin: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows what is not well.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    match args.plugin {
        // Whatever went wrong, a Nagios server must not take it for a word on the fleet.
        true => Ok(show(args).await.unwrap_or_else(|error| unknown(&error))),
        false => show(args).await,
    }
}

/// What a Nagios server is told of a command line that cannot be understood. Its usual code is the one of "critical".
pub(crate) fn misused(words: &[OsString], error: &clap::Error) -> Option<Exit> {
    let is_plugin = words.get(1)? == "problems" && words.iter().any(|word| word == "--plugin");
    (is_plugin && error.use_stderr()).then(|| {
        let error = error.to_string();
        let first = error.lines().next().unwrap_or_default();
        let first = first.trim_start_matches("error: ");
        unknown(&anyhow::anyhow!("{first}"))
    })
}

fn unknown(error: &anyhow::Error) -> Exit {
    out::line(out::printable(&format!("UNKNOWN: {error:#}")));
    Exit::Plugin(3)
}

async fn show(args: Args) -> anyhow::Result<Exit> {
    if let Some(at) = args.at {
        let host = args.host.as_ref().map(|it| HostName::parse(it.as_str()));
        let host = host.transpose().map_err(|error| {
            UsedWrongly(format!(
                "--host: with --at, one host's name is expected: {error}"
            ))
        })?;
        return past::run(&args.operator, at, host.as_ref(), args.json).await;
    }
    let path = question(
        "problems",
        [
            ("host", args.host.as_ref().map(ToString::to_string)),
            ("group", args.group.clone()),
            ("item", args.item.as_ref().map(ToString::to_string)),
            ("level", args.level.map(|rank| rank.to_string())),
            ("cause", args.cause.clone()),
            ("unhandled", args.unhandled.then(|| "true".into())),
        ],
    );
    let operator = Operator::open(&args.operator)?;
    let problems: Vec<ProblemView> = operator.list(&path, MOST).await?;
    let worst = problems
        .iter()
        .filter(|it| it.is_unhandled())
        .map(|it| it.trouble.level)
        .max()
        .unwrap_or_default();
    let (word, code) = match worst {
        Level::FINE | Level::SOSO => ("OK", 0),
        Level::SICK => ("WARNING", 1),
        _ => ("CRITICAL", 2),
    };
    if args.plugin {
        // The first line is all that a Nagios server shows.
        let unhandled = problems.iter().filter(|it| it.is_unhandled()).count();
        out::line(format_args!(
            "{word}: {unhandled} unhandled of {} problems",
            problems.len()
        ));
    }
    if args.json {
        out::json(&problems)?;
    } else {
        let now = Clock::system().now();
        let rows = problems.iter().map(|view| {
            let trouble = &view.trouble;
            vec![
                out::level(trouble.level, trouble.no_data, trouble.flapping),
                trouble.host.to_string(),
                trouble.item.to_string(),
                out::value(&trouble.value),
                out::ago(trouble.since, now),
                out::or_dash(view.owner.as_ref()),
                explained(view),
            ]
        });
        let header = ["level", "host", "item", "value", "since", "owner", "why"];
        out::table(&header, rows.collect(), "all is well");
    }
    Ok(match args.plugin {
        true => Exit::Plugin(code),
        false => Exit::Done,
    })
}

/// Who is on it, what explains it, or why it is so.
fn explained(view: &ProblemView) -> String {
    let mut words = Vec::new();
    if let Some(host) = &view.depends_on {
        words.push(format!("{host} is down"));
    }
    if let Some(ack) = &view.ack {
        let note = if ack.note.is_empty() { "" } else { ": " };
        words.push(format!("{} is on it{note}{}", ack.by, ack.note));
    }
    if let Some(silence) = &view.silence {
        words.push(format!("silenced: {silence}"));
    }
    if words.is_empty() {
        words.push(view.trouble.why.clone());
        if let Some(change) = view.changes.first() {
            words.push(format!("changed at {:.0}: {}", change.at, change.what));
        }
    }
    words.retain(|word| !word.is_empty());
    words.join("; ")
}
