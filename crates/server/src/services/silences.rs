//! Silences and acknowledgements: what people say of problems.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::{Ack, Silence, Trouble};
use lockstep_model::api::operator::{NewAck, NewSilence};
use lockstep_model::{HostName, Interval, ItemName};

use super::audit;
use crate::app::App;
use crate::web::Refusal;

/// Longest reason or note, in bytes.
const LONGEST_TEXT: usize = 1_000;
/// Most patterns of one silence.
const MOST_PATTERNS: usize = 100;

/// Acknowledgements of one transaction. All problems of all hosts that a filter finds may be more.
const AT_ONCE: usize = 5_000;

/// True if a silence has more patterns than are looked through for each problem.
pub(crate) fn is_too_wide(new: &NewSilence) -> bool {
    new.hosts.len() + new.groups.len() + new.items.len() > MOST_PATTERNS
}

/// Why one that is too wide is not taken.
pub(crate) fn too_wide() -> String {
    format!("a silence has at most {MOST_PATTERNS} patterns")
}

/// Holds alerts back.
pub(crate) async fn create(
    app: &App,
    new: NewSilence,
    who: &str,
    now: Timestamp,
) -> Result<Silence, Refusal> {
    if new.reason.trim().is_empty() {
        return Err(Refusal::bad_request(
            "reason: say why, for those who wonder about the quiet",
        ));
    }
    check_text("reason", &new.reason)?;
    if is_too_wide(&new) {
        return Err(Refusal::bad_request(too_wide()));
    }
    if new.lasts > Silence::LONGEST {
        return Err(Refusal::bad_request(format!(
            "lasts: a silence lasts at most {}, not {}",
            Silence::LONGEST,
            new.lasts
        )));
    }
    let starts_at = new.starts_at.unwrap_or(now);
    if after(starts_at, new.lasts) <= now {
        return Err(Refusal::bad_request(
            "starts_at: the silence would be over before it is made",
        ));
    }
    let silence = Silence {
        id: format!("{:08x}", fastrand::u32(..)),
        hosts: new.hosts,
        groups: new.groups,
        items: new.items,
        starts_at,
        ends_at: after(starts_at, new.lasts),
        owner: who.to_owned(),
        reason: new.reason,
        run: None,
    };
    app.store.create_silence(&silence).await?;
    let what = format!(
        "made silence {} of {} until {:.0}: {}",
        silence.id,
        whom(&silence),
        silence.ends_at,
        silence.reason
    );
    audit::note(app, who, &what, now).await;
    tell(app);
    Ok(silence)
}

/// What a silence is of, in words that stay in the audit trail when it is gone.
fn whom(silence: &Silence) -> String {
    let hosts = silence.hosts.iter().map(ToString::to_string);
    let groups = silence.groups.iter().map(|group| format!("group {group}"));
    let of: Vec<String> = hosts.chain(groups).collect();
    let items: Vec<String> = silence.items.iter().map(ToString::to_string).collect();
    let words = |some: &[String], all: &str| match some {
        [] => all.to_owned(),
        some => some.join(", "),
    };
    format!(
        "{} on {}",
        words(&items, "all items"),
        words(&of, "all hosts")
    )
}

/// Ends a silence before its time.
pub(crate) async fn end(app: &App, id: &str, who: &str, now: Timestamp) -> Result<(), Refusal> {
    if !app.store.end_silence(id, now, who).await? {
        return Err(Refusal::not_found(format!("no silence {id} is in force")));
    }
    audit::note(app, who, &format!("ended silence {id}"), now).await;
    tell(app);
    Ok(())
}

/// Says that somebody is on each of these problems. Those that have ended meanwhile are passed over; the others are returned.
pub(crate) async fn acknowledge_each(
    app: &App,
    problems: &[(HostName, ItemName)],
    note: &str,
    lasts: Option<Interval>,
    who: &str,
    now: Timestamp,
) -> Result<Vec<Ack>, Refusal> {
    check_text("note", note)?;
    let wanted: HashSet<(&HostName, &ItemName)> =
        problems.iter().map(|(host, item)| (host, item)).collect();
    let troubles = app.store.troubles().await?;
    let meant = troubles
        .iter()
        .filter(|it| wanted.contains(&(&it.host, &it.item)));
    let acks: Vec<Ack> = meant.map(|it| ack_of(it, note, lasts, who, now)).collect();
    put(app, &acks, who, now).await?;
    Ok(acks)
}

fn ack_of(
    trouble: &Trouble,
    note: &str,
    lasts: Option<Interval>,
    who: &str,
    now: Timestamp,
) -> Ack {
    Ack {
        host: trouble.host.clone(),
        item: trouble.item.clone(),
        level: trouble.level,
        by: who.to_owned(),
        note: note.to_owned(),
        at: now,
        until: lasts.map(|lasts| after(now, lasts)),
    }
}

/// One word on all of them, with the audit trail: in one transaction if they are at most [`AT_ONCE`].
async fn put(app: &App, acks: &[Ack], who: &str, now: Timestamp) -> Result<(), Refusal> {
    let what = |ack: &Ack| format!("acknowledged {} of {}", ack.item, ack.host);
    let acks: Vec<(Ack, String)> = acks.iter().map(|ack| (ack.clone(), what(ack))).collect();
    let mut given = 0;
    let mut outcome = Ok(());
    for some in acks.chunks(AT_ONCE) {
        outcome = app.store.put_acks(who, some, now).await;
        if outcome.is_err() {
            break;
        }
        given += some.len();
        for (_, what) in some {
            tracing::info!(who, what, "audit");
        }
    }
    // What was given counts, whatever became of the rest.
    if given > 0 {
        tell(app);
    }
    outcome.map_err(|error| match given {
        0 => Refusal::from(error),
        given => Refusal::from(error).after(&format!(
            "{given} of {} problems are acknowledged",
            acks.len()
        )),
    })
}

/// Says that somebody is on it.
pub(crate) async fn acknowledge(
    app: &App,
    new: NewAck,
    who: &str,
    now: Timestamp,
) -> Result<Vec<Ack>, Refusal> {
    check_text("note", &new.note)?;
    let troubles = app.store.troubles().await?;
    let meant = |trouble: &&Trouble| {
        trouble.host == new.host && new.item.as_ref().is_none_or(|item| *item == trouble.item)
    };
    let acks: Vec<Ack> = troubles
        .iter()
        .filter(meant)
        .map(|trouble| ack_of(trouble, &new.note, new.lasts, who, now))
        .collect();
    if acks.is_empty() {
        let what = match &new.item {
            Some(item) => format!("{item} of {} is no problem now", new.host),
            None => format!("{} has no problem now", new.host),
        };
        return Err(Refusal::not_found(what));
    }
    put(app, &acks, who, now).await?;
    Ok(acks)
}

/// Takes an acknowledgement back.
pub(crate) async fn take_back(
    app: &App,
    host: &HostName,
    item: &ItemName,
    who: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    if !app.store.end_ack(host, item).await? {
        return Err(Refusal::not_found(format!(
            "nobody has acknowledged {item} of {host}"
        )));
    }
    let what = format!("took the acknowledgement of {item} of {host} back");
    audit::note(app, who, &what, now).await;
    tell(app);
    Ok(())
}

/// Messages and pages are to know of it at once, whoever did it by which way.
fn tell(app: &App) {
    app.boards.forget();
    app.wake.notify_one();
}

fn check_text(what: &str, text: &str) -> Result<(), Refusal> {
    if text.len() > LONGEST_TEXT || text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Refusal::bad_request(format!(
            "{what}: at most {LONGEST_TEXT} bytes of plain text are taken"
        )));
    }
    Ok(())
}

fn after(at: Timestamp, lasts: Interval) -> Timestamp {
    SignedDuration::try_from(lasts.duration())
        .ok()
        .and_then(|lasts| at.checked_add(lasts).ok())
        .unwrap_or(Timestamp::MAX)
}
