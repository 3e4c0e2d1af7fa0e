//! Silences and acknowledgements: what people say of problems.

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
    if new.hosts.len() + new.groups.len() + new.items.len() > MOST_PATTERNS {
        return Err(Refusal::bad_request(format!(
            "a silence has at most {MOST_PATTERNS} patterns"
        )));
    }
    if new.lasts > Silence::LONGEST {
        return Err(Refusal::bad_request(format!(
            "lasts: a silence lasts at most {}, not {}",
            Silence::LONGEST,
            new.lasts
        )));
    }
    let starts_at = new.starts_at.unwrap_or(now);
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
    let what = format!("silenced until {:.0}: {}", silence.ends_at, silence.reason);
    audit::note(app, who, &what, now).await;
    app.wake.notify_one();
    Ok(silence)
}

/// Ends a silence before its time.
pub(crate) async fn end(app: &App, id: &str, who: &str, now: Timestamp) -> Result<(), Refusal> {
    if !app.store.end_silence(id, now, who).await? {
        return Err(Refusal::not_found(format!("no silence {id} is in force")));
    }
    audit::note(app, who, &format!("ended silence {id}"), now).await;
    app.wake.notify_one();
    Ok(())
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
        .map(|trouble| Ack {
            host: trouble.host.clone(),
            item: trouble.item.clone(),
            level: trouble.level,
            by: who.to_owned(),
            note: new.note.clone(),
            at: now,
            until: new.lasts.map(|lasts| after(now, lasts)),
        })
        .collect();
    if acks.is_empty() {
        let what = match &new.item {
            Some(item) => format!("{item} of {} is no problem now", new.host),
            None => format!("{} has no problem now", new.host),
        };
        return Err(Refusal::not_found(what));
    }
    for ack in &acks {
        app.store.put_ack(ack).await?;
        let what = format!("acknowledged {} of {}", ack.item, ack.host);
        audit::note(app, who, &what, now).await;
    }
    app.wake.notify_one();
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
    app.wake.notify_one();
    Ok(())
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
