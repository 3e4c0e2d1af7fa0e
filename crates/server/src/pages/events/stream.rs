//! The stream: a page of events of items, and what else happened in the time that they span.

use jiff::Timestamp;
use lockstep_model::api::operator::AuditView;
use lockstep_pages::events::Entry;
use lockstep_store::{DeliveryFilter, EventFilter};

use crate::app::App;
use crate::web::Refusal;

/// Events of one page.
const MOST: u32 = 100;
/// Other things of each kind that happened in its time; more of them are on pages of their own.
const MOST_OTHERS: u32 = 100;

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    /// Newest first.
    pub(super) entries: Vec<Entry>,
    /// The last event, and when it came: the next page begins behind it.
    pub(super) older: Option<(String, Timestamp)>,
}

/// Reads a page. `to` is where the page before it ended; `alone` leaves out what is no event of an item.
pub(super) async fn page(
    app: &App,
    filter: &EventFilter,
    to: Option<Timestamp>,
    alone: bool,
) -> Result<Page, Refusal> {
    let found = app.store.events_page(filter, MOST).await?;
    let oldest = found.events.last().map(|event| event.received_at);
    let older = found
        .next
        .map(|id| (id, oldest.or(to).unwrap_or(Timestamp::MAX)));
    // The last page goes back to where was asked for.
    let from = match &older {
        Some((_, at)) => *at,
        None => filter.since.unwrap_or(Timestamp::MIN),
    };
    let to = to.or(filter.until).unwrap_or(Timestamp::MAX);
    let mut entries: Vec<Entry> = found.events.into_iter().map(Entry::Item).collect();
    if !alone {
        let of_host = filter.host.as_ref();
        let changes = app.store.changes_between(of_host, from, to).await?;
        let changes = changes.into_iter().take(MOST_OTHERS as usize);
        entries.extend(changes.map(|(host, change)| Entry::Change(host, change)));
        if of_host.is_none() {
            entries.extend(messages(app, from, to).await?);
            entries.extend(deeds(app, from, to).await?);
        }
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at()));
    Ok(Page { entries, older })
}

async fn messages(app: &App, from: Timestamp, to: Timestamp) -> Result<Vec<Entry>, Refusal> {
    let all = DeliveryFilter::default();
    let found = app
        .store
        .deliveries_before(&all, Some((to, "")), MOST_OTHERS);
    let found = found.await?.into_iter().filter(|it| it.created_at >= from);
    Ok(found
        .map(|it| Entry::Message(Box::new(it.notice), it.state.as_str()))
        .collect())
}

async fn deeds(app: &App, from: Timestamp, to: Timestamp) -> Result<Vec<Entry>, Refusal> {
    let found = app.store.audit_before(Some((to, "")), MOST_OTHERS).await?;
    let found = found.into_iter().filter(|it| it.at >= from);
    Ok(found
        .map(|it| {
            Entry::Deed(AuditView {
                at: it.at,
                who: it.who,
                what: it.what,
            })
        })
        .collect())
}
