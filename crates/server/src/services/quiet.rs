//! What is quiet, and what a silence does or would do: for pages.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use lockstep_model::alert::{Silence, Trouble};
use lockstep_model::api::operator::NewSilence;
use lockstep_model::{Glob, HostName};
use lockstep_pages::silences::{Held, Preview, Quiet};
use lockstep_plan::alert::{Facts, Holds};

use super::board::Board;
use super::situation::{Roster, Situation};
use crate::app::App;

/// Problems that a preview names.
const MOST_NAMED: usize = 20;

/// The silences in force and to come, with what they hold back; those that end first come first.
pub(crate) fn of(app: &App, situation: &Situation, roster: &Roster, now: Timestamp) -> Vec<Quiet> {
    let facts = situation.facts(app, roster, now);
    let mut by_host: HashMap<&str, Vec<&Trouble>> = HashMap::new();
    for trouble in &situation.troubles {
        let of_host = by_host.entry(trouble.host.as_str()).or_default();
        of_host.push(trouble);
    }
    let quiet = situation.silences.iter().map(|silence| {
        let mut held: Vec<&Trouble> = match plain_hosts(silence) {
            // Runs make a lease for each of their hosts: these look at their own troubles alone.
            Some(hosts) => {
                let own = hosts.filter_map(|host| by_host.get(host)).flatten();
                held(&facts, silence, own.copied())
            }
            None => held(&facts, silence, situation.troubles.iter()),
        };
        let hosts: BTreeSet<&HostName> = held.iter().map(|it| &it.host).collect();
        Quiet {
            silence: silence.clone(),
            holds_back: held.len() as u64,
            hosts: hosts.len() as u64,
            oldest: held.iter().map(|it| it.since).min(),
            worst: named(&mut held),
        }
    });
    let mut quiet: Vec<Quiet> = quiet.collect();
    quiet.sort_by(|a, b| {
        let place = |it: &Quiet| (it.silence.ends_at, it.silence.id.clone());
        place(a).cmp(&place(b))
    });
    quiet
}

/// The worst of them, at most [`MOST_NAMED`].
fn named(held: &mut [&Trouble]) -> Vec<Held> {
    held.sort_by_key(|it| (Reverse(it.level), it.since));
    let named = held.iter().take(MOST_NAMED);
    named
        .map(|it| Held {
            level: it.level,
            host: it.host.clone(),
            item: it.item.clone(),
        })
        .collect()
}

/// What a silence would hold back if it were in force now.
pub(crate) fn preview(app: &App, board: &Board, new: &NewSilence, now: Timestamp) -> Preview {
    let facts = board.situation.facts(app, &board.roster, now);
    let silence = Silence {
        id: String::new(),
        hosts: new.hosts.clone(),
        groups: new.groups.clone(),
        items: new.items.clone(),
        starts_at: now,
        ends_at: Timestamp::MAX,
        owner: String::new(),
        reason: String::new(),
        run: None,
    };
    let mut held = held(&facts, &silence, board.situation.troubles.iter());
    let meant = |host: &HostName, groups: &[String]| {
        (silence.hosts.is_empty() && silence.groups.is_empty())
            || silence.hosts.iter().any(|it| it.matches(host.as_str()))
            || silence.groups.iter().any(|it| groups.contains(it))
    };
    let hosts = board.hosts.iter();
    let hosts = hosts.filter(|line| meant(&line.view.name, &line.groups));
    Preview {
        problems: held.len() as u64,
        hosts: hosts.count() as u64,
        worst: named(&mut held),
    }
}

/// The troubles that a silence alone would hold back.
fn held<'t>(
    facts: &Facts<'t>,
    silence: &Silence,
    troubles: impl Iterator<Item = &'t Trouble>,
) -> Vec<&'t Trouble> {
    let alone = Facts {
        silences: std::slice::from_ref(silence),
        // Who is on it, and what is down, is another question.
        troubles: &[],
        acks: &[],
        ..*facts
    };
    let holds = Holds::of(&alone);
    troubles
        .filter(|trouble| holds.on(trouble, facts.fleet).silence.is_some())
        .collect()
}

/// The names of the hosts that a silence is about, where it has no patterns.
fn plain_hosts(silence: &Silence) -> Option<impl Iterator<Item = &str>> {
    let plain = !silence.hosts.is_empty()
        && silence.groups.is_empty()
        && silence.hosts.iter().all(Glob::is_plain);
    plain.then(|| silence.hosts.iter().map(Glob::as_str))
}
