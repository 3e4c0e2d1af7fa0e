//! The list and the matrix of hosts, and what is done with several at once.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{Html, Response};
use axum::routing::get;
use axum::{Extension, Router};
use lockstep_model::api::operator::NewSilence;
use lockstep_model::{HostName, Interval, ItemName, Role};
use lockstep_pages::hosts::{self as draw, Ask, HostLine};
use lockstep_pages::parts::lasts::lasts;
use serde::Deserialize;

use super::problems::zone;
use super::silences::{endless, plain};
use super::{LARGEST, Visit, done, may, visit};
use crate::app::{App, SignedIn};
use crate::services::{hosts, problems, silences};
use crate::web::{FormBody, Refusal};

/// Hosts that one form may name: a page of the list.
const MOST: usize = 200;
/// Hosts that a filter may find for something to be done with all of them: so many the largest fleets have.
const MOST_FOUND: usize = 10_000;
/// Hosts of one silence, which has no more patterns; there are as many silences as it needs.
const IN_ONE: usize = 100;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/hosts", get(all).post(several))
}

/// `GET /hosts?q=WORDS&level=RANK&…`, see [`Ask`].
async fn all(
    State(app): State<Arc<App>>,
    visit: Visit,
    RawQuery(question): RawQuery,
) -> Result<Html<String>, Refusal> {
    let ask = Ask::parse(question.as_deref().unwrap_or_default()).map_err(Refusal::bad_request)?;
    let page = draw::page(&visit.frame(), &visit.board.hosts, &ask, &zone(&app));
    Ok(Html(page))
}

/// What is done with several hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    Ack,
    Silence,
    Report,
}

#[derive(Debug, Deserialize)]
struct Several {
    verb: Verb,
    /// The hosts that are ticked.
    #[serde(default)]
    host: Vec<HostName>,
    /// All hosts that this finds, instead of those that are ticked.
    filter: Option<String>,
    /// How many it found, as who sends the form has confirmed.
    count: Option<usize>,
    /// Who they were: [`draw::names_hash`] of what the page showed.
    names: Option<String>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    lasts: String,
    #[serde(default)]
    to: String,
}

/// `POST /hosts`.
async fn several(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    FormBody(form): FormBody<Several, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let back = visit::local(&form.to).unwrap_or("/hosts").to_owned();
    let hosts = meant(&app, &form).await?;
    let now = app.now();
    let lasts = lasts(&form.lasts, &zone(&app), now).map_err(Refusal::bad_request)?;
    let said = match form.verb {
        Verb::Ack => acknowledge(&app, &signed, &hosts, &form.why, lasts).await,
        Verb::Silence => silence(&app, &signed, &hosts, &form.why, lasts).await,
        Verb::Report => report(&app, &hosts).await,
    };
    Ok(done(&back, &said?))
}

/// The hosts of a form. Whoever means all that a filter finds has said how many: it may find others by now.
async fn meant(app: &App, form: &Several) -> Result<Vec<HostName>, Refusal> {
    let Some(filter) = &form.filter else {
        if form.host.is_empty() || form.host.len() > MOST {
            return Err(Refusal::bad_request(format!(
                "tick 1 to {MOST} hosts, not {}",
                form.host.len()
            )));
        }
        return Ok(form.host.clone());
    };
    let ask = Ask::parse_filter(filter).map_err(Refusal::bad_request)?;
    let board = app.boards.read(app).await?;
    let found = draw::those(&board.hosts, &ask);
    confirmed(&found, form.count, form.names.as_deref())?;
    Ok(found.into_iter().map(|it| it.view.name.clone()).collect())
}

/// Refuses hosts that are not those that were confirmed: so many, of these names.
fn confirmed(
    found: &[&HostLine],
    count: Option<usize>,
    names: Option<&str>,
) -> Result<(), Refusal> {
    let (Some(count), Some(names)) = (count, names) else {
        return Err(Refusal::bad_request(format!(
            "count and names: tick on the page of hosts that you mean all {} hosts",
            found.len()
        )));
    };
    let again =
        "nothing was done; go back, reload the page, look who they are, and confirm it again";
    if count != found.len() {
        return Err(Refusal::conflict(format!(
            "{count} hosts were confirmed, and {} are found now: {again}",
            found.len()
        )));
    }
    if names != draw::names_hash(found) {
        return Err(Refusal::conflict(format!(
            "{count} hosts were confirmed, and {count} are found now, but not the same: some are found no more, and as \
             many others are; {again}"
        )));
    }
    if count > MOST_FOUND {
        return Err(Refusal::bad_request(format!(
            "{count} hosts are found, and at most {MOST_FOUND} are taken at once; narrow the filter, or silence a group or a \
             pattern at /silences"
        )));
    }
    Ok(())
}

/// Acknowledges what is not well on the hosts; those that are well meanwhile are left out.
async fn acknowledge(
    app: &App,
    signed: &SignedIn,
    hosts: &[HostName],
    note: &str,
    lasts: Option<Interval>,
) -> Result<String, Refusal> {
    let now = app.now();
    let hosts: HashSet<&HostName> = hosts.iter().collect();
    let problems = problems::list(app, now).await?;
    let meant = problems.into_iter().map(|it| it.trouble);
    let meant = meant.filter(|it| hosts.contains(&it.host));
    let meant: Vec<(HostName, ItemName)> = meant.map(|it| (it.host, it.item)).collect();
    let who = signed.name.as_str();
    let acks = silences::acknowledge_each(app, &meant, note, lasts, who, now).await?;
    let troubled: HashSet<&HostName> = acks.iter().map(|it| &it.host).collect();
    Ok(format!(
        "acknowledged {} problems of {} hosts; the others have none",
        acks.len(),
        troubled.len()
    ))
}

async fn silence(
    app: &App,
    signed: &SignedIn,
    hosts: &[HostName],
    why: &str,
    lasts: Option<Interval>,
) -> Result<String, Refusal> {
    let lasts = lasts.ok_or_else(endless)?;
    in_parts(hosts, |part| silence_of(app, signed, part, lasts, why)).await?;
    Ok(format!("silenced {} hosts for {lasts}", hosts.len()))
}

/// Silences part after part. What is done stays done when a later part is refused, so the refusal says how far it came.
async fn in_parts<'a, Done>(
    hosts: &'a [HostName],
    mut each: impl FnMut(&'a [HostName]) -> Done,
) -> Result<(), Refusal>
where
    Done: Future<Output = Result<(), Refusal>>,
{
    let mut done = 0;
    for part in hosts.chunks(IN_ONE) {
        if let Err(refusal) = each(part).await {
            let (Some(first), Some(last)) = (hosts[..done].first(), hosts[..done].last()) else {
                return Err(refusal);
            };
            return Err(refusal.after(&format!(
                "{done} of {} hosts are silenced, {first} to {last}; send the form again for all of them, which does these \
                 no harm. The others, from {} on, are not",
                hosts.len(),
                part[0]
            )));
        }
        done += part.len();
    }
    Ok(())
}

async fn report(app: &App, hosts: &[HostName]) -> Result<String, Refusal> {
    let asked = hosts::ask_all_to_report(app, hosts).await?;
    let others = hosts.len() - asked;
    let rest = match others {
        0 => String::new(),
        _ => format!("; {others} cannot be asked and report in their own time"),
    };
    Ok(format!("{asked} hosts are asked to report{rest}"))
}

/// Silences these hosts from now on.
pub(super) async fn silence_of(
    app: &App,
    signed: &SignedIn,
    hosts: &[HostName],
    lasts: Interval,
    why: &str,
) -> Result<(), Refusal> {
    let hosts = hosts.iter().map(|host| plain(host.as_str()));
    let new = NewSilence {
        hosts: hosts.collect::<Result<_, _>>()?,
        groups: Vec::new(),
        items: Vec::new(),
        starts_at: None,
        lasts,
        reason: why.to_owned(),
    };
    silences::create(app, new, signed.name.as_str(), app.now()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_silenced_before_an_error_is_said() {
        let hosts: Vec<HostName> = (0..250)
            .map(|number| HostName::parse(&format!("web{number}")).unwrap())
            .collect();
        // Refuses the part with this number.
        let silence = async |bad: usize| {
            let mut parts = Vec::new();
            let done = in_parts(&hosts, |part| {
                parts.push(part.len());
                let done = match parts.len() == bad {
                    true => Err(Refusal::conflict("the disk is full")),
                    false => Ok(()),
                };
                std::future::ready(done)
            });
            let done = done.await.map_err(|refusal| refusal.detail().to_owned());
            (done, parts)
        };
        assert_eq!(silence(0).await, (Ok(()), vec![100, 100, 50]));
        let first = Err("the disk is full".to_owned());
        assert_eq!(silence(1).await, (first, vec![100]), "nothing was done");
        let words = "200 of 250 hosts are silenced, web0 to web199; send the form again for all of them, which does these no \
                     harm. The others, from web200 on, are not: the disk is full";
        assert_eq!(
            silence(3).await,
            (Err(words.to_owned()), vec![100, 100, 50])
        );
    }
}
