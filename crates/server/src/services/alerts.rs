//! Who is told what: the facts for `plan::alert`, and the storing of what it decides.
//!
//! What was told and the messages themselves are stored in one transaction, under the decider's lease: no restart
//! doubles a message or loses one. Their delivery is another matter, see `deliveries`.

use jiff::Timestamp;
use lockstep_model::alert::{AlertRules, Notice};
use lockstep_plan::alert::{self, Book, Decision};
use lockstep_store::{Lease, NewDelivery};
use tokio::sync::Mutex;

use super::leases;
use super::situation::{Roster, Situation};
use crate::Error;
use crate::app::App;
use crate::operator_api::add;

/// The book as it was last stored, so that a quiet second does not read it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    book: Mutex<Option<(u64, Book)>>,
}

/// Looks at all problems and stores who is to be told what. True if there is something to be sent.
pub(crate) async fn decide(app: &App, lease: &Lease, now: Timestamp) -> Result<bool, Error> {
    let failed = Error::database("deciding who is told");
    decide_over(app, lease, now).await.map_err(failed)
}

async fn decide_over(
    app: &App,
    lease: &Lease,
    now: Timestamp,
) -> Result<bool, lockstep_store::Error> {
    if app.fleet.is_behind() {
        return Ok(false);
    }
    let mut situation = Situation::read(app, now).await?;
    leases::keep(app, &mut situation, now).await?;
    // Another decider may have written since: a new lease means a new book.
    let mut told = app.told.book.lock().await;
    if told
        .as_ref()
        .is_none_or(|(number, _)| *number != lease.number)
    {
        let (book, bad) = Book::from_rows(app.store.alert_book().await?);
        // A row that cannot be read goes; its problem is told a second time rather than never.
        let unreadable: Vec<String> = bad.iter().map(|row| row.key.clone()).collect();
        for row in bad {
            tracing::error!(%row, "a row of the alert book is deleted");
        }
        app.store
            .save_alerts(lease, &[], &unreadable, &[], now)
            .await?;
        *told = Some((lease.number, book));
    }
    let Some((_, book)) = told.as_mut() else {
        return Ok(false);
    };
    let roster = Roster::read(app, &situation, book.problems()).await?;
    let decision = alert::decide(book, &situation.facts(app, &roster, now));
    end_what_is_over(app, &decision, now).await?;
    if decision.upserts.is_empty() && decision.deletes.is_empty() && decision.notices.is_empty() {
        return Ok(false);
    }
    let deliveries: Vec<NewDelivery> = decision
        .notices
        .iter()
        .flat_map(|notice| deliveries_of(&situation.rules, notice, now))
        .collect();
    let saved = app
        .store
        .save_alerts(
            lease,
            &decision.upserts,
            &decision.deletes,
            &deliveries,
            now,
        )
        .await;
    if let Err(error) = saved {
        // What is stored is not known now, so it is read again.
        *told = None;
        return Err(error);
    }
    if let Err(row) = book.apply(&decision) {
        tracing::error!(%row, "the alert book is read again");
        *told = None;
    }
    add(&app.counters.notices, decision.notices.len());
    for notice in &decision.notices {
        log(notice);
    }
    Ok(!deliveries.is_empty())
}

/// A message goes by all ways of its receiver.
pub(crate) fn deliveries_of(
    rules: &AlertRules,
    notice: &Notice,
    now: Timestamp,
) -> Vec<NewDelivery> {
    match rules.receivers.get(&notice.receiver) {
        Some(receiver) => NewDelivery::of(notice, &receiver.ways, now),
        // The fleet file names it no more: then there is no way to say even that.
        None => {
            tracing::warn!(
                receiver = notice.receiver,
                "a receiver is gone and is not told"
            );
            Vec::new()
        }
    }
}

async fn end_what_is_over(
    app: &App,
    decision: &Decision,
    now: Timestamp,
) -> Result<(), lockstep_store::Error> {
    for (host, item) in &decision.acks_ended {
        if app.store.end_ack(host, item).await? {
            tracing::info!(%host, %item, at = %now, "an acknowledgement ended with its problem");
        }
    }
    Ok(())
}

fn log(notice: &Notice) {
    let first = notice.entries.first();
    tracing::info!(
        receiver = notice.receiver,
        route = notice.route,
        kind = first.map_or("", |entry| entry.kind.as_str()),
        host = first.map(|entry| entry.host.to_string()),
        item = first.map(|entry| entry.item.to_string()),
        problems = notice.entries.len() + notice.more as usize,
        cause = notice.cause,
        "told"
    );
}
