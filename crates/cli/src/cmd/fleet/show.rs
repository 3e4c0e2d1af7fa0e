//! `lockstep fleet show`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lockstep_fleet::{Fleet, Followed, follow_in_words, hash_of, lock_in_words, package_in_words};
use lockstep_model::{HostName, LockName, LockRule, WorkItem};
use serde_json::json;

use super::load_or_ask;
use crate::exit::Exit;
use crate::operator::OperatorArgs;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep fleet show web1.example.org fleet.toml\n\
    A host that the file does not name is shown with what it would get if it were enrolled.\n\n\
    Example: lockstep fleet show web1 fleet.toml --says \"os=Debian GNU/Linux 13 (trixie)\"\n\
    Rules about who follows what can ask for labels that a host says of itself: os, kernel and platform."
)]
pub(crate) struct Args {
    /// The host
    host: HostName,
    /// The fleet file; the one in force on the server if left out
    file: Option<PathBuf>,
    /// A label that the host says of itself: os, kernel or platform; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = said)]
    says: Vec<(String, String)>,
    /// Print JSON: the work document as the host gets it, its hash, where the host stands, what it follows, and the
    /// locks it may take
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows what the host would be told.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let fleet = match load_or_ask(args.file.as_deref(), &args.operator).await? {
        Ok(fleet) => fleet,
        Err(exit) => return Ok(exit),
    };
    let host = &args.host;
    let work = fleet.work_for(host);
    let hash = hash_of(&work);
    let parents = fleet.parents_of(host);
    let locks: BTreeMap<&LockName, LockRule> = fleet
        .locks_of(host)
        .into_iter()
        .map(|name| (name, fleet.lock_rule(name)))
        .collect();
    let says: BTreeMap<String, String> = args.says.iter().cloned().collect();
    let follows = fleet.explain_follows(host, &says);
    if args.json {
        out::json(&json!({
            "host": host,
            "groups": fleet.groups_of(host),
            "parents": parents,
            "via": fleet.watcher_of(host),
            "hash": hash,
            "work": work,
            "locks": locks,
            "follows": follows,
        }))?;
        return Ok(Exit::Done);
    }
    let words = |words: Vec<&str>| {
        if words.is_empty() {
            "-".into()
        } else {
            words.join(", ")
        }
    };
    out::line(format_args!("host     {host}"));
    out::line(format_args!("groups   {}", words(fleet.groups_of(host))));
    let parents = parents.into_iter().map(HostName::as_str).collect();
    out::line(format_args!("depends  {}", words(parents)));
    if let Some(watcher) = fleet.watcher_of(host) {
        out::line(format_args!("via      {watcher}"));
    }
    out::line(format_args!("sample   {}", work.sample));
    out::line(format_args!("report   {}", work.report));
    out::line(format_args!("work     {}", hash.short()));
    out::line("");
    let mut rows = rows(&fleet, "", &work.items);
    for watched in &work.watched {
        rows.extend(self::rows(&fleet, watched.host.as_str(), &watched.items));
    }
    let header = ["host", "item", "every", "timeout", "judged by", "options"];
    if work.watched.is_empty() {
        rows.iter_mut().for_each(|row| drop(row.remove(0)));
        out::table(&header[1..], rows, "nothing is watched");
    } else {
        out::table(&header, rows, "nothing is watched");
    }
    let packages = work
        .packages
        .iter()
        .map(|rule| in_words(rule.name.as_str(), package_in_words(rule)));
    others("package", packages.collect());
    let locks = locks
        .iter()
        .map(|(name, rule)| in_words(name.as_str(), lock_in_words(rule, fleet.levels())));
    others("lock", locks.collect());
    // Of the agent by default there is nothing to tell that is not so anywhere.
    if fleet.has_follow_rules() && !follows.is_empty() {
        out::line("");
        let header = [
            "package",
            "follows",
            "rule",
            "speaks of it by",
            "place",
            "instead of",
        ];
        out::table(&header, follows.iter().map(followed).collect(), "");
    }
    Ok(Exit::Done)
}

fn followed(followed: &Followed) -> Vec<String> {
    let others = match followed.instead_of.as_slice() {
        [] => "-".to_owned(),
        others => others.join(", "),
    };
    vec![
        followed.follow.package.to_string(),
        follow_in_words(&followed.follow),
        out::or_dash(followed.follow.rule.as_ref()),
        followed.by.clone(),
        out::or_dash(followed.place.as_ref()),
        others,
    ]
}

fn said(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key @ ("os" | "kernel" | "platform" | "gateway"), value)) => {
            Ok((key.into(), value.into()))
        }
        _ => Err(
            "a host says os, kernel, platform or gateway of itself, as in os=\"Debian GNU/Linux 13\"".into(),
        ),
    }
}

/// A table of what most hosts have not.
fn others(what: &str, rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        out::line("");
        out::table(&[what, "what holds"], rows, "");
    }
}

fn in_words(name: &str, words: BTreeMap<&str, String>) -> Vec<String> {
    let words: Vec<String> = words
        .into_iter()
        .map(|(key, text)| format!("{key}: {text}"))
        .collect();
    vec![name.to_owned(), words.join("; ")]
}

/// A row for each item; `host` is empty for the host itself.
fn rows(fleet: &Fleet, host: &str, items: &[WorkItem]) -> Vec<Vec<String>> {
    let rows = items.iter().map(|item| {
        let judged = item.fitness.as_ref().map_or("built in".into(), |fitness| {
            let rules = fitness
                .rules
                .iter()
                .map(|rule| format!("{} {}", fleet.levels().name(rule.level), rule.when));
            rules.collect::<Vec<_>>().join("; ")
        });
        let options = item.options.iter().map(|(key, value)| {
            let value = serde_json::to_string(value).unwrap_or_default();
            format!("{key} = {value}")
        });
        vec![
            host.to_owned(),
            item.name.to_string(),
            out::or_dash(item.every),
            out::or_dash(item.timeout),
            judged,
            options.collect::<Vec<_>>().join(", "),
        ]
    });
    rows.collect()
}
