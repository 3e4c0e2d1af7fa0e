//! What operators wish of hosts: given, taken back, told, and where it stands.

use jiff::Timestamp;
use lockstep_model::api::operator::{TakenBack, WishOrder, WishView};
use lockstep_model::{HostName, HostWish, Interval, WishSeen, WishState, WishVerb};
use lockstep_plan::wish;
use lockstep_store::{Given, HostRow, WishRow, WishesBefore};

use super::audit;
use crate::app::App;
use crate::web::Refusal;

/// Wishes something of a host. The host hears it with the answer to its next report, for which it is called at once. The
/// same wish twice is one, as long as the host has not begun it.
pub(crate) async fn give(
    app: &App,
    host: &HostName,
    verb: WishVerb,
    order: &WishOrder,
    by: &str,
    now: Timestamp,
) -> Result<WishView, Refusal> {
    let why = order.why.trim();
    if why.is_empty() {
        return Err(Refusal::bad_request(
            "why: whoever wishes this of a host says why, for those who look after it",
        ));
    }
    if why.len() > HostWish::LONGEST_WHY {
        return Err(Refusal::bad_request(format!(
            "why: at most {} bytes are taken, this has {}",
            HostWish::LONGEST_WHY,
            why.len()
        )));
    }
    let lasts = order.lasts.unwrap_or(HostWish::LASTS);
    if lasts < HostWish::SHORTEST || lasts > HostWish::LONGEST {
        return Err(Refusal::bad_request(format!(
            "lasts: {lasts} is not between {} and {}",
            HostWish::SHORTEST,
            HostWish::LONGEST
        )));
    }
    let row = with_agent(app, host).await?;
    let boot_id = boot_id(&row, host, verb)?;
    let known = app.store.newest_wish(host, verb).await?;
    let known = known.map(|known| view(known, seen(&row), now));
    let over = match known {
        Some(known) if known.state.is_open() => return Ok(known),
        Some(known) if known.state.is_under_way() => return Err(is_at_it(host, &known)),
        known => known.map(|known| known.wish.number),
    };
    let wish = HostWish {
        verb,
        number: 0,
        boot_id,
        by: by.into(),
        why: why.into(),
        at: now,
        until: now.checked_add(lasts.duration()).unwrap_or(Timestamp::MAX),
    };
    let heard = seen(&row).iter().filter(|it| it.verb == verb);
    let before = WishesBefore {
        over,
        heard: heard.map(|it| it.number).max().unwrap_or_default(),
    };
    let wish = match app.store.wish(host, &wish, before).await? {
        Given::New(wish) => wish,
        // Somebody gave the same at this moment.
        Given::Open(wish) => return Ok(view(open(wish), seen(&row), now)),
    };
    let what = format!(
        "wished the {verb} of {host} until {:.0}, number {}: {why}",
        wish.until, wish.number
    );
    audit::note(app, by, &what, now).await;
    told_anew(app, host);
    Ok(view(open(wish), &[], now))
}

/// Takes back what the host has not begun, as far as it has said.
pub(crate) async fn take_back(
    app: &App,
    host: &HostName,
    verb: WishVerb,
    by: &str,
    now: Timestamp,
) -> Result<WishView, Refusal> {
    let row = with_agent(app, host).await?;
    let known = app.store.newest_wish(host, verb).await?;
    let known =
        known.ok_or_else(|| Refusal::not_found(format!("nobody wishes the {verb} of {host}")))?;
    let stands = view(known.clone(), seen(&row), now);
    if !stands.state.is_open() {
        return Err(Refusal::conflict(format!(
            "the {verb} of {host} cannot be taken back: it is {}",
            stands.state
        )));
    }
    let taken = TakenBack {
        by: by.into(),
        at: now,
    };
    if !app.store.take_back_wish(host, &known.wish, &taken).await? {
        return Err(Refusal::conflict(format!(
            "the {verb} of {host} was wished anew, or taken back, at the same time; look again"
        )));
    }
    let what = format!(
        "took back the {verb} of {host}, number {}",
        known.wish.number
    );
    audit::note(app, by, &what, now).await;
    told_anew(app, host);
    let row = WishRow {
        taken_back: Some(taken),
        closed: Some(WishState::TakenBack),
        ..known
    };
    Ok(view(row, seen(&with_agent(app, host).await?), now))
}

/// The newest wish of each verb, and where it stands.
pub(crate) async fn of_host(
    app: &App,
    host: &HostName,
    now: Timestamp,
) -> Result<Vec<WishView>, Refusal> {
    let Some(row) = app.store.host(host).await? else {
        // A host that another one watches has no agent.
        return match app.store.watched_host(host).await? {
            Some(_) => Ok(Vec::new()),
            None => Err(unknown(host)),
        };
    };
    let wishes = app.store.wishes(host).await?.into_iter();
    Ok(wishes.map(|known| view(known, seen(&row), now)).collect())
}

/// What a host is told by the answer to a report that says this.
pub(crate) fn told(open: &[HostWish], seen: &[WishSeen], now: Timestamp) -> Vec<HostWish> {
    let open = open.iter();
    open.filter(|it| wish::standing(it, None, seen, now).state.is_open())
        .cloned()
        .collect()
}

/// What a report says is done is noted as done: it is open no more, though its end has not come.
pub(crate) async fn note_done(
    app: &App,
    host: &HostName,
    open: &[HostWish],
    seen: &[WishSeen],
) -> Result<(), Refusal> {
    let is_done = |wish: &&HostWish| {
        seen.iter()
            .any(|it| (it.verb, it.number, it.state) == (wish.verb, wish.number, WishState::Done))
    };
    for wish in open.iter().filter(is_done) {
        app.store.wish_is_done(host, wish.verb, wish.number).await?;
    }
    Ok(())
}

/// A wish that is neither taken back nor over.
fn open(wish: HostWish) -> WishRow {
    WishRow {
        wish,
        taken_back: None,
        closed: None,
    }
}

fn view(row: WishRow, seen: &[WishSeen], now: Timestamp) -> WishView {
    let stands = wish::standing(&row.wish, row.closed, seen, now);
    WishView {
        wish: row.wish,
        state: stands.state,
        words: stands.words,
        run: stands.run,
        taken_back: row
            .taken_back
            .filter(|_| stands.state == WishState::TakenBack),
    }
}

fn seen(row: &HostRow) -> &[WishSeen] {
    row.report
        .as_ref()
        .map_or(&[], |report| report.notes.wishes.as_slice())
}

/// The boot that is to end with a restart of the machine. Nothing else depends on one.
fn boot_id(row: &HostRow, host: &HostName, verb: WishVerb) -> Result<String, Refusal> {
    let boot_id = row.report.as_ref().map(|report| report.boot_id.clone());
    let boot_id = boot_id.unwrap_or_default();
    match (verb, boot_id.is_empty()) {
        (WishVerb::Reboot, true) => Err(Refusal::conflict(format!(
            "{host} has not reported yet in which boot its machine is, so nobody could say whether it was restarted; ask again \
             when it has"
        ))),
        _ => Ok(boot_id),
    }
}

fn is_at_it(host: &HostName, known: &WishView) -> Refusal {
    let run = match &known.run {
        Some(run) => format!(" (run {run})"),
        None => String::new(),
    };
    Refusal::conflict(format!(
        "{host} is at the {} that {} wished: {}; that is to end first{run}",
        known.wish.verb, known.wish.by, known.state
    ))
}

async fn with_agent(app: &App, host: &HostName) -> Result<HostRow, Refusal> {
    let Some(row) = app.store.host(host).await? else {
        return Err(match app.store.watched_host(host).await? {
            Some(watched) => Refusal::conflict(format!(
                "{host} has no agent: {} watches it, and can do nothing to it",
                watched.via
            )),
            None => unknown(host),
        });
    };
    match &row.facts.gateway {
        Some(gateway) => Err(Refusal::conflict(format!(
            "{host} speaks by the gateway {gateway}, and has no agent of ours"
        ))),
        None => Ok(row),
    }
}

fn unknown(host: &HostName) -> Refusal {
    Refusal::not_found(format!("there is no host {host}"))
}

/// The next one who asks reads the wishes anew, and the host is asked to be that one.
fn told_anew(app: &App, host: &HostName) {
    app.standing.forget();
    app.hints.report([host.clone()].into());
}

/// The time that a form or a command says; none for nothing.
pub(crate) fn lasting(text: &str) -> Result<Option<Interval>, Refusal> {
    match text.trim() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|error| Refusal::bad_request(format!("lasts: {error}"))),
    }
}
