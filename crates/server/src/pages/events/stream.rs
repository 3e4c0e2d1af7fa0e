//! The stream: a page of events of items, and what else happened in the time that they span; or one kind of it alone.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::AuditView;
use lockstep_model::{Change, HostName};
use lockstep_pages::events::{Entry, Key, Kind, Message};
use lockstep_store::{AuditEntry, DeliveryFilter, DeliveryRow, EventFilter};

use crate::app::App;
use crate::web::Refusal;

/// Entries of one page.
const MOST: usize = 100;
/// Other things of each kind that happened in its time; more of them are on pages of their own.
const MOST_OTHERS: u32 = 100;
/// Entries of one kind that are looked through for a page of it.
const LOOKED_AT: u32 = 1_000;

/// Where a page begins: behind this entry, which was at this moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) before: Option<&'a str>,
    pub(super) to: Option<Timestamp>,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    /// Newest first.
    pub(super) entries: Vec<Entry>,
    /// The last event, and when it came: the next page begins behind it.
    pub(super) older: Option<(String, Timestamp)>,
}

/// Reads a page.
pub(super) async fn page(
    app: &App,
    filter: &EventFilter,
    place: Place<'_>,
    kind: Kind,
) -> Result<Page, Refusal> {
    match kind {
        // A pattern and a level are questions of items.
        Kind::All if filter.item.is_some() || filter.level.is_some() => {
            items(app, filter, place, true).await
        }
        Kind::All | Kind::Items => items(app, filter, place, kind == Kind::Items).await,
        Kind::Changes | Kind::Messages | Kind::Deeds => of_kind(app, filter, place, kind).await,
    }
}

/// Events of items; `alone` leaves out what else happened meanwhile.
async fn items(
    app: &App,
    filter: &EventFilter,
    place: Place<'_>,
    alone: bool,
) -> Result<Page, Refusal> {
    let found = app.store.events_page(filter, MOST as u32).await?;
    let oldest = found.events.last().map(|event| event.received_at);
    let older = found
        .next
        .map(|id| (id, oldest.or(place.to).unwrap_or(Timestamp::MAX)));
    // The last page goes back to where was asked for.
    let from = match &older {
        Some((_, at)) => *at,
        None => filter.since.unwrap_or(Timestamp::MIN),
    };
    let to = place.to.or(filter.until).unwrap_or(Timestamp::MAX);
    let mut entries: Vec<Entry> = found.events.into_iter().map(Entry::Item).collect();
    if !alone {
        let changes = changes(app, filter, from, to).await?;
        entries.extend(changes.into_iter().take(MOST_OTHERS as usize));
        if filter.host.is_none() && filter.hosts.is_none() {
            let messages = read_messages(app, Some((to, "")), MOST_OTHERS).await?;
            let deeds = app.store.audit_before(Some((to, "")), MOST_OTHERS).await?;
            let others = messages.into_iter().map(message);
            let others = others.chain(deeds.into_iter().map(deed));
            entries.extend(others.filter(|it| it.at() >= from));
        }
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at()));
    Ok(Page { entries, older })
}

/// A page of one kind, which is no event of items.
async fn of_kind(
    app: &App,
    filter: &EventFilter,
    place: Place<'_>,
    kind: Kind,
) -> Result<Page, Refusal> {
    let until = filter.until.unwrap_or(Timestamp::MAX);
    let before = (
        place.to.unwrap_or(until).min(until),
        place.before.unwrap_or_default(),
    );
    let from = filter.since.unwrap_or(Timestamp::MIN);
    // What was looked at last, if there may be more behind it.
    let (found, looked_to) = match kind {
        Kind::Messages => {
            let rows = read_messages(app, Some(before), LOOKED_AT).await?;
            let last = rows.last().map(|it| (it.id.clone(), it.created_at));
            let last = last.filter(|_| rows.len() == LOOKED_AT as usize);
            let rows = rows.into_iter().filter(|it| is_message_of(filter, it));
            (rows.map(message).collect(), last)
        }
        Kind::Deeds => {
            let rows = app.store.audit_before(Some(before), LOOKED_AT).await?;
            let last = rows.last().map(|it| (it.id.clone(), it.at));
            let last = last.filter(|_| rows.len() == LOOKED_AT as usize);
            let rows = rows.into_iter().filter(|it| is_deed_of(filter, it));
            (rows.map(deed).collect(), last)
        }
        Kind::Changes | Kind::All | Kind::Items => {
            (changes(app, filter, from, before.0).await?, None)
        }
    };
    let mut entries: Vec<Entry> = found.into_iter().filter(|it| it.at() >= from).collect();
    let mut older = looked_to.filter(|(_, at)| *at >= from);
    if entries.len() > MOST {
        let mut cut = MOST;
        if kind == Kind::Changes {
            // Changes have no identity of their own: those of one moment stay together.
            let last = entries[cut - 1].at();
            cut = entries.partition_point(|it| it.at() >= last);
        }
        let id = |entry: &Entry| match entry {
            Entry::Message(message) => message.id.clone(),
            Entry::Deed { id, .. } => id.clone(),
            Entry::Item(_) | Entry::Change(..) => String::new(),
        };
        if entries.len() > cut {
            older = entries.get(cut - 1).map(|it| (id(it), it.at()));
            entries.truncate(cut);
        }
    }
    Ok(Page { entries, older })
}

/// When something of a kind happened, of what is asked for; at most the newest thousand.
pub(super) async fn moments(
    app: &App,
    filter: &EventFilter,
    kind: Kind,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Timestamp>, Refusal> {
    let moments: Vec<Timestamp> = match kind {
        Kind::Messages => {
            let rows = read_messages(app, Some((to, "")), LOOKED_AT).await?;
            let rows = rows.iter().filter(|it| is_message_of(filter, it));
            rows.map(|it| it.created_at).collect()
        }
        Kind::Deeds => {
            let rows = app.store.audit_before(Some((to, "")), LOOKED_AT).await?;
            let rows = rows.iter().filter(|it| is_deed_of(filter, it));
            rows.map(|it| it.at).collect()
        }
        Kind::Changes | Kind::All | Kind::Items => {
            let found = changes(app, filter, from, to).await?;
            found.iter().map(Entry::at).collect()
        }
    };
    Ok(moments.into_iter().filter(|at| *at >= from).collect())
}

/// What a key means; nothing if it is not there any more. An event of an item is looked up otherwise.
pub(super) async fn entries_of(app: &App, key: &Key) -> Result<Vec<Entry>, Refusal> {
    // What comes behind it in the order of identities begins with it.
    let behind = |id: &String| format!("{id}0");
    Ok(match key {
        Key::Item(_) => Vec::new(),
        Key::Message(at, id) => {
            let rows = read_messages(app, Some((*at, &behind(id))), 1).await?;
            let found = rows.into_iter().filter(|it| it.id == *id);
            found.map(message).collect()
        }
        Key::Deed(at, id) => {
            let rows = app.store.audit_before(Some((*at, &behind(id))), 1).await?;
            let found = rows.into_iter().filter(|it| it.id == *id);
            found.map(deed).collect()
        }
        Key::Change(at, host) => {
            let end = at.checked_add(SignedDuration::from_millis(1));
            let end = end.unwrap_or(Timestamp::MAX);
            let found = app.store.changes_between(Some(host), *at, end).await?;
            found.into_iter().map(change).collect()
        }
    })
}

async fn changes(
    app: &App,
    filter: &EventFilter,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Entry>, Refusal> {
    let found = app.store.changes_between(filter.host.as_ref(), from, to);
    let asked = |host: &HostName| {
        filter
            .hosts
            .as_ref()
            .is_none_or(|it| it.contains(host.as_str()))
    };
    let found = found.await?.into_iter().filter(|(host, _)| asked(host));
    Ok(found.map(change).collect())
}

async fn read_messages(
    app: &App,
    before: Option<(Timestamp, &str)>,
    wanted: u32,
) -> Result<Vec<DeliveryRow>, Refusal> {
    let all = DeliveryFilter::default();
    Ok(app.store.deliveries_before(&all, before, wanted).await?)
}

/// A message is of the hosts and items that it tells of.
fn is_message_of(filter: &EventFilter, row: &DeliveryRow) -> bool {
    let asked = |host: &HostName| {
        filter.host.as_ref().is_none_or(|it| it == host)
            && filter
                .hosts
                .as_ref()
                .is_none_or(|it| it.contains(host.as_str()))
    };
    let is_all = filter.host.is_none()
        && filter.hosts.is_none()
        && filter.item.is_none()
        && filter.level.is_none();
    is_all
        || row.notice.entries.iter().any(|it| {
            asked(&it.host)
                && filter
                    .item
                    .as_ref()
                    .is_none_or(|item| item.matches(it.item.as_str()))
                && filter.level.is_none_or(|level| it.level >= level)
        })
}

/// A deed is of the host that its words name. Groups, items and levels do not count.
fn is_deed_of(filter: &EventFilter, row: &AuditEntry) -> bool {
    filter
        .host
        .as_ref()
        .is_none_or(|host| words(&row.what).any(|word| word == host.as_str()))
        && filter
            .hosts
            .as_ref()
            .is_none_or(|hosts| words(&row.what).any(|word| hosts.contains(word)))
}

/// What may be names of hosts: letters, digits, `-` and `.`; a full stop ends a sentence, and no name.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')))
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty())
}

fn change((host, change): (HostName, Change)) -> Entry {
    Entry::Change(host, change)
}

fn message(row: DeliveryRow) -> Entry {
    Entry::Message(Box::new(Message {
        id: row.id,
        at: row.created_at,
        notice: row.notice,
        state: row.state.as_str(),
    }))
}

fn deed(row: AuditEntry) -> Entry {
    Entry::Deed {
        id: row.id,
        deed: AuditView {
            at: row.at,
            who: row.who,
            what: row.what,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_deed_is_of_hosts_that_are_named_whole() {
        let deed = |what: &str| AuditEntry {
            id: "1".into(),
            at: Timestamp::UNIX_EPOCH,
            who: "olga".into(),
            what: what.into(),
        };
        let of_host = |host: &str, what: &str| {
            let filter = EventFilter {
                host: Some(HostName::parse(host).unwrap()),
                ..EventFilter::default()
            };
            is_deed_of(&filter, &deed(what))
        };
        assert!(of_host("web1", "removed host web1"));
        assert!(of_host("web1", "silenced cpu on web1, web2: \"disk\"."));
        assert!(of_host("web1.example", "removed host web1.example."));
        assert!(!of_host("web1", "removed host web10"));
        assert!(!of_host("web1", "removed host web1.example"));
        assert!(!of_host("web1", "removed host old-web1"));
        let group = EventFilter {
            hosts: Some(BTreeSet::from(["web1".to_owned(), "db1".to_owned()])),
            ..EventFilter::default()
        };
        assert!(is_deed_of(&group, &deed("restarted db1")));
        assert!(!is_deed_of(&group, &deed("restarted db12")));
        assert!(is_deed_of(&EventFilter::default(), &deed("")));
    }
}
