//! Somebody is on it; it shall be quiet; nobody is on it any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::{NewSilence, ProblemView};
use lockstep_model::{Glob, HostName, ItemName, Role};
use lockstep_pages::parts::lasts::lasts;
use lockstep_pages::problems::{Ask, Group};
use serde::Deserialize;

use super::zone;
use crate::app::{App, SignedIn};
use crate::pages::silences::{endless, plain};
use crate::pages::{LARGEST, done, may, visit};
use crate::services::{problems, silences};
use crate::web::{FormBody, Refusal};

/// Problems that one form acknowledges.
const MOST: usize = 500;
/// Silences that one form makes.
const MOST_SILENCES: usize = 50;
/// Patterns of one silence, as the service takes them.
const PATTERNS: usize = 100;
/// What began so long after the page was drawn may have been on it: clocks of hosts differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// Which rows, for how long, and why.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    /// The causes of the rows.
    #[serde(default)]
    p: Vec<String>,
    /// When the page was drawn: what came later was not on it.
    at: Timestamp,
    #[serde(default)]
    note: String,
    #[serde(default, rename = "for")]
    lasts: String,
    /// The question of the page: of a group that it showed in part, the others are not meant.
    #[serde(default)]
    only: String,
}

impl Chosen {
    fn ask(&self) -> Result<Ask, Refusal> {
        Ask::parse(&self.only).map_err(Refusal::bad_request)
    }

    /// The chosen groups as they are now, of the problems that were there when the page was drawn.
    fn groups<'a>(
        &self,
        app: &App,
        problems: &'a mut Vec<ProblemView>,
    ) -> Result<Vec<Group<'a>>, Refusal> {
        if self.p.is_empty() {
            return Err(Refusal::bad_request("choose at least one row"));
        }
        let until = self.at.checked_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX);
        problems.retain(|it| it.trouble.since <= until);
        let chosen: BTreeSet<&str> = self.p.iter().map(String::as_str).collect();
        let mut groups = problems::grouped(app, problems, &self.ask()?);
        groups.retain(|it| chosen.contains(it.cause.to_string().as_str()));
        if groups.is_empty() {
            return Err(Refusal::not_found(
                "what was chosen is over, or somebody is on it already; go back to see how it stands",
            ));
        }
        Ok(groups)
    }
}

/// `POST /problems/ack`.
pub(super) async fn ack(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    FormBody(chosen): FormBody<Chosen, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let now = app.now();
    let lasts = lasts(&chosen.lasts, &zone(&app), now).map_err(Refusal::bad_request)?;
    let mut problems = problems::list(&app, now).await?;
    let groups = chosen.groups(&app, &mut problems)?;
    let chosen_ones = groups.iter().flat_map(|it| &it.problems);
    let troubles: Vec<_> = chosen_ones.map(|it| &it.trouble).collect();
    if troubles.len() > MOST {
        return Err(Refusal::bad_request(format!(
            "{} problems are chosen, at most {MOST} are acknowledged at once; a silence holds more of them back",
            troubles.len()
        )));
    }
    let chosen_ones = troubles.iter().map(|it| (it.host.clone(), it.item.clone()));
    let chosen_ones: Vec<_> = chosen_ones.collect();
    let (note, who) = (chosen.note.trim(), signed.name.as_str());
    let acks = silences::acknowledge_each(&app, &chosen_ones, note, lasts, who, now).await;
    let said = match acks?.len() {
        0 => "What was chosen is over.".into(),
        1 => "You are on it.".into(),
        count => format!("You are on {count} problems."),
    };
    Ok(done(&chosen.ask()?.address("/"), &said))
}

/// `POST /problems/silence`.
pub(super) async fn silence(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    FormBody(chosen): FormBody<Chosen, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let now = app.now();
    let lasts = lasts(&chosen.lasts, &zone(&app), now).map_err(Refusal::bad_request)?;
    let lasts = lasts.ok_or_else(endless)?;
    let mut problems = problems::list(&app, now).await?;
    let groups = chosen.groups(&app, &mut problems)?;
    let mut wanted = Vec::new();
    for group in &groups {
        wanted.extend(patterns(group)?);
    }
    if wanted.len() > MOST_SILENCES {
        return Err(Refusal::bad_request(format!(
            "these rows would need {} silences, at most {MOST_SILENCES} are made at once; silence groups or patterns of hosts at /silences",
            wanted.len()
        )));
    }
    let mut until = now;
    for (hosts, items) in wanted {
        let new = NewSilence {
            hosts,
            groups: Vec::new(),
            items,
            starts_at: None,
            lasts,
            reason: chosen.note.trim().to_owned(),
        };
        let made = silences::create(&app, new, signed.name.as_str(), now).await;
        until = made?.ends_at;
    }
    let said = format!("Silenced until {until:.0}. What is still bad then is told.");
    Ok(done(&chosen.ask()?.address("/"), &said))
}

/// The hosts and the items of one silence.
type Patterns = (Vec<Glob>, Vec<Glob>);

/// The silences that a group needs.
fn patterns(group: &Group<'_>) -> Result<Vec<Patterns>, Refusal> {
    let hosts = group.hosts().into_iter().map(|it| plain(it.as_str()));
    let hosts: Vec<Glob> = hosts.collect::<Result<_, _>>()?;
    let items = group.items().into_iter().map(|it| plain(it.as_str()));
    let items: Vec<Glob> = items.collect::<Result<_, _>>()?;
    let room = PATTERNS.saturating_sub(items.len());
    if room == 0 {
        return Err(Refusal::bad_request(format!(
            "{} has {} items; silence all of its hosts' items, or patterns of them, at /silences",
            group.cause,
            items.len()
        )));
    }
    let parts = hosts.chunks(room);
    Ok(parts.map(|part| (part.to_vec(), items.clone())).collect())
}

/// Whose acknowledgement of what.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    host: HostName,
    item: ItemName,
    #[serde(default)]
    back: String,
}

/// `POST /problems/take-back`.
pub(super) async fn take_back(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    FormBody(taken): FormBody<Taken, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let Taken { host, item, back } = taken;
    silences::take_back(&app, &host, &item, signed.name.as_str(), app.now()).await?;
    let said = format!("Nobody is on {item} of {host} any more.");
    Ok(done(visit::local(&back).unwrap_or("/"), &said))
}
