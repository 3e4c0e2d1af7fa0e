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
/// Messages that are read at once: each may be large, and of those that do not fit nothing is kept.
const MESSAGES_AT_ONCE: u32 = MOST as u32 + 1;
/// Changes that the store gives at once, and how often it is asked where most of them may be of other groups.
const CHANGES_AT_ONCE: usize = 1_000;
const MOST_READS: u32 = 5;

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
        let (changes, _) = changes(app, filter, from, to).await?;
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
        Kind::Messages => messages(app, filter, from, before, MOST, message).await?,
        Kind::Deeds => {
            let rows = app.store.audit_before(Some(before), LOOKED_AT).await?;
            let last = rows.last().map(|it| (it.id.clone(), it.at));
            let last = last.filter(|_| rows.len() == LOOKED_AT as usize);
            let rows = rows.into_iter().filter(|it| is_deed_of(filter, it));
            (rows.map(deed).collect(), last)
        }
        Kind::Changes | Kind::All | Kind::Items => {
            let (found, next) = changes(app, filter, from, before.0).await?;
            (found, next.map(|at| (String::new(), at)))
        }
    };
    let mut entries: Vec<Entry> = found.into_iter().filter(|it| it.at() >= from).collect();
    let mut older = looked_to.filter(|(_, at)| *at >= from);
    if entries.len() > MOST {
        let mut cut = MOST;
        if kind == Kind::Changes {
            // Changes have no identity of their own: those of one moment stay together.
            let last = entries[cut - 1].at().as_millisecond();
            cut = entries.partition_point(|it| it.at().as_millisecond() >= last);
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
        // What they say is not needed.
        Kind::Messages if lets_all_messages(filter) => {
            app.store.delivery_moments(from, to, LOOKED_AT).await?
        }
        Kind::Messages => {
            let most = LOOKED_AT as usize;
            let at = |row: DeliveryRow| row.created_at;
            messages(app, filter, from, (to, ""), most, at).await?.0
        }
        Kind::Deeds => {
            let rows = app.store.audit_before(Some((to, "")), LOOKED_AT).await?;
            let rows = rows.iter().filter(|it| is_deed_of(filter, it));
            rows.map(|it| it.at).collect()
        }
        Kind::Changes | Kind::All | Kind::Items => {
            let (found, _) = changes(app, filter, from, to).await?;
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

/// Changes that are asked for, newest first, and before which moment there may be more.
async fn changes(
    app: &App,
    filter: &EventFilter,
    from: Timestamp,
    to: Timestamp,
) -> Result<(Vec<Entry>, Option<Timestamp>), Refusal> {
    let asked = |host: &HostName| {
        filter
            .hosts
            .as_ref()
            .is_none_or(|it| it.contains(host.as_str()))
    };
    let (mut kept, mut next) = (Vec::new(), Some(to));
    for _ in 0..MOST_READS {
        let Some(to) = next.filter(|_| kept.len() <= MOST) else {
            break;
        };
        let found = app.store.changes_between(filter.host.as_ref(), from, to);
        let (found, behind) = whole_moments(found.await?, CHANGES_AT_ONCE);
        kept.extend(
            found
                .into_iter()
                .filter(|(host, _)| asked(host))
                .map(change),
        );
        next = behind;
    }
    Ok((kept, next))
}

/// Changes have no identity of their own, so a page of them begins before a moment. If there may be more than `most` that were
/// read, those of the last moment are left to the next page, for not all of them may have been read; and before which moment
/// that begins. Moments are told apart as the store does it, by milliseconds.
fn whole_moments(
    mut found: Vec<(HostName, Change)>,
    most: usize,
) -> (Vec<(HostName, Change)>, Option<Timestamp>) {
    let last = found.last().map(|(_, it)| it.at);
    let Some(last) = last.filter(|_| found.len() >= most) else {
        return (found, None);
    };
    let whole = found.partition_point(|(_, it)| it.at.as_millisecond() > last.as_millisecond());
    if whole == 0 {
        // More in one moment than can be read: what is behind it must be reached.
        return (found, Some(last));
    }
    found.truncate(whole);
    let next = found.last().map(|(_, it)| it.at);
    (found, next)
}

/// Messages that are asked for, newest first, each as `keep` makes it: those before a place and not before a moment, until
/// more than `most` were found or a thousand were looked through; and the last of these, if there may be more.
async fn messages<T>(
    app: &App,
    filter: &EventFilter,
    from: Timestamp,
    before: (Timestamp, &str),
    most: usize,
    keep: impl Fn(DeliveryRow) -> T,
) -> Result<(Vec<T>, Option<(String, Timestamp)>), Refusal> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut place = (before.1.to_owned(), before.0);
    while found.len() <= most && looked_at < LOOKED_AT {
        let behind = Some((place.1, place.0.as_str()));
        let rows = read_messages(app, behind, MESSAGES_AT_ONCE).await?;
        let is_last = rows.len() < MESSAGES_AT_ONCE as usize;
        looked_at += MESSAGES_AT_ONCE;
        let last = rows.last().map(|it| (it.id.clone(), it.created_at));
        let rows = rows.into_iter();
        let asked = rows.filter(|it| it.created_at >= from && is_message_of(filter, it));
        found.extend(asked.map(&keep));
        match last.filter(|(_, at)| !is_last && *at >= from) {
            Some(last) => place = last,
            None => return Ok((found, None)),
        }
    }
    Ok((found, Some(place)))
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
    lets_all_messages(filter)
        || row.notice.entries.iter().any(|it| {
            asked(&it.host)
                && filter
                    .item
                    .as_ref()
                    .is_none_or(|item| item.matches(it.item.as_str()))
                && filter.level.is_none_or(|level| it.level >= level)
        })
}

/// True where messages of whatever are asked for.
fn lets_all_messages(filter: &EventFilter) -> bool {
    filter.host.is_none()
        && filter.hosts.is_none()
        && filter.item.is_none()
        && filter.level.is_none()
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

    use lockstep_model::ChangeKind;

    use super::*;

    #[test]
    fn changes_of_one_moment_are_never_torn_apart() {
        let found = |moments: &[i64]| {
            let change = |(number, at): (usize, &i64)| {
                let change = Change {
                    at: Timestamp::from_millisecond(*at).unwrap(),
                    kind: ChangeKind::Enrolled,
                    what: "enrolled".into(),
                    run: None,
                };
                (HostName::parse(&format!("web{number}")).unwrap(), change)
            };
            moments.iter().enumerate().map(change).collect::<Vec<_>>()
        };
        let page = |moments: &[i64], most| {
            let (found, next) = whole_moments(found(moments), most);
            (found.len(), next.map(Timestamp::as_millisecond))
        };
        assert_eq!(page(&[], 4), (0, None));
        assert_eq!(page(&[9, 8, 8], 4), (3, None), "there are no more");
        assert_eq!(page(&[9, 9, 8, 7], 4), (3, Some(8)), "7 comes whole, next");
        assert_eq!(page(&[9, 8, 8, 8], 4), (1, Some(9)));
        assert_eq!(page(&[8, 8, 8, 8], 4), (4, Some(8)), "it goes on");
    }

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
