//! Messages on their way to receivers.
//!
//! What was decided waits in the store until it was accepted at the other end. A way that fails is tried again, later
//! each time, for a day; after an hour the receiver's fallback is told as well.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::Way;
use lockstep_model::api::operator::{AlertTested, DeliveryView, WayTested};
use lockstep_model::{HostName, ProblemKind};
use lockstep_plan::alert;
use lockstep_store::{DeliveryFilter, DueDelivery, NewDelivery};

use super::audit;
use crate::app::App;
use crate::web::Refusal;

/// The queue is looked at this often when nothing wakes it.
const LOOK: Duration = Duration::from_secs(5);
/// Messages under way at once.
const AT_ONCE: u32 = 8;
/// Time to the second attempt; doubled for each further one.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(15);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_hours(1);
/// After this time a message is given up.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);
/// After this time the fallback is told.
const FALLBACK: SignedDuration = SignedDuration::from_hours(1);

/// Delivers as long as the server runs.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
            () = app.wake_delivery.notified() => {}
        }
        if let Err(error) = deliver_all(&app).await {
            tracing::error!(%error, "messages could not be taken from the queue; tried again");
        }
    }
}

/// Delivers all that is due, unless the server stops meanwhile.
pub(crate) async fn deliver_all(app: &Arc<App>) -> Result<(), lockstep_store::Error> {
    let _one_round = app.delivering.lock().await;
    while deliver_due(app).await? > 0 && !app.stop.is_cancelled() {}
    Ok(())
}

/// Delivers some of what is due now, and says how many that were.
async fn deliver_due(app: &Arc<App>) -> Result<usize, lockstep_store::Error> {
    let due = app.store.due_deliveries(app.now(), AT_ONCE).await?;
    let sent = due.len();
    let mut under_way = tokio::task::JoinSet::new();
    for delivery in due {
        let app = Arc::clone(app);
        under_way.spawn(async move { deliver(&app, &delivery).await });
    }
    while let Some(ended) = under_way.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "what became of a message could not be stored; it may be sent twice")
            }
            Err(error) => {
                tracing::error!(%error, "a delivery broke off; it is tried again in five minutes")
            }
        }
    }
    Ok(sent)
}

async fn deliver(app: &App, delivery: &DueDelivery) -> Result<(), lockstep_store::Error> {
    let outcome = app.notifier.deliver(&delivery.way, &delivery.notice).await;
    let now = app.now();
    let failed = match outcome {
        Ok(_) => {
            app.store.delivery_done(&delivery.id, now).await?;
            return Ok(());
        }
        Err(failed) => failed,
    };
    let age = now.duration_since(delivery.created_at);
    let wished = failed
        .retry_after
        .and_then(|wait| SignedDuration::try_from(wait).ok())
        .map_or(SignedDuration::ZERO, |wait| wait.min(LONGEST_RETRY));
    let wait = retry_after(delivery.attempt).max(wished);
    let next_try = (failed.again && age < GIVE_UP).then(|| now + wait);
    tracing::warn!(
        receiver = delivery.notice.receiver,
        way = %lockstep_notify::describe(&delivery.way),
        attempt = delivery.attempt,
        why = failed.why,
        given_up = next_try.is_none(),
        "a message was not delivered"
    );
    if next_try.is_none() || age >= FALLBACK {
        tell_fallback(app, delivery, now).await?;
    }
    app.store
        .delivery_failed(&delivery.id, delivery.attempt, &failed.why, next_try, now)
        .await?;
    Ok(())
}

fn retry_after(attempt: u32) -> SignedDuration {
    let doubled = FIRST_RETRY.checked_mul(1 << attempt.saturating_sub(1).min(16));
    doubled.unwrap_or(LONGEST_RETRY).min(LONGEST_RETRY)
}

/// Tells the receiver's fallback the same, once: the message keeps its identity.
async fn tell_fallback(
    app: &App,
    delivery: &DueDelivery,
    now: Timestamp,
) -> Result<(), lockstep_store::Error> {
    let Some(accepted) = app.fleet.accepted() else {
        return Ok(());
    };
    let receivers = &accepted.rules.receivers;
    let fallback = receivers
        .get(&delivery.notice.receiver)
        .and_then(|receiver| receiver.fallback.as_ref())
        .and_then(|name| Some((name, receivers.get(name)?)));
    let Some((name, receiver)) = fallback else {
        return Ok(());
    };
    let mut notice = delivery.notice.clone();
    notice.id = format!("{}-fallback", notice.id);
    for entry in &mut notice.entries {
        let note = format!("{} could not be reached", notice.receiver);
        entry.note = match entry.note.is_empty() {
            true => note,
            false => format!("{}; {note}", entry.note),
        };
    }
    notice.receiver.clone_from(name);
    let deliveries = NewDelivery::of(&notice, &receiver.ways, now);
    app.store.add_deliveries(&deliveries, now).await
}

/// The newest deliveries.
pub(crate) async fn page(
    app: &App,
    before: Option<(Timestamp, &str)>,
    wanted: u32,
) -> Result<Vec<DeliveryView>, Refusal> {
    let all = DeliveryFilter::default();
    let rows = app.store.deliveries_before(&all, before, wanted).await?;
    let views = rows.into_iter().map(|row| DeliveryView {
        id: row.id,
        notice: row.notice,
        state: row.state.as_str().into(),
        attempts: row.attempts,
        error: row.error,
        created_at: row.created_at,
        at: row.at,
    });
    Ok(views.collect())
}

/// Sends a test by each way of a receiver and says how that went.
pub(crate) async fn test(
    app: &App,
    name: &str,
    who: &str,
    now: Timestamp,
) -> Result<AlertTested, Refusal> {
    let accepted = app.fleet.accepted();
    let found = accepted
        .as_ref()
        .and_then(|accepted| Some((accepted, accepted.rules.receivers.get(name)?)));
    let Some((accepted, receiver)) = found else {
        let known: Vec<&str> = accepted
            .iter()
            .flat_map(|it| it.rules.receivers.keys())
            .map(String::as_str)
            .collect();
        let known = match &known[..] {
            [] => "none are named in the fleet file".to_owned(),
            known => known.join(", "),
        };
        return Err(Refusal::new(
            ProblemKind::NotFound,
            format!("there is no user or receiver {name:?}; known are: {known}"),
        ));
    };
    let Ok(_place) = app.alert_tests.try_acquire() else {
        let words = "other tests of receivers are under way";
        return Err(Refusal::busy(words, Duration::from_secs(5)));
    };
    let host = HostName::parse("test.invalid").expect("it is a host's name");
    let url = Some(app.addresses.operators.as_str());
    let notice = alert::test_notice(name, &host, now, &accepted.rules.levels, url);
    let mut ways = Vec::new();
    for way in &receiver.ways {
        ways.push(test_way(app, way, &notice).await);
    }
    audit::note(app, who, &format!("sent a test to {name}"), now).await;
    Ok(AlertTested { ways })
}

async fn test_way(app: &App, way: &Way, notice: &lockstep_model::alert::Notice) -> WayTested {
    let outcome = app.notifier.deliver(way, notice).await;
    WayTested {
        way: lockstep_notify::describe(way).to_string(),
        error: outcome.err().map(|failed| failed.why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_further_apart_up_to_an_hour() {
        assert_eq!(retry_after(1), SignedDuration::from_secs(15));
        assert_eq!(retry_after(3), SignedDuration::from_secs(60));
        assert_eq!(retry_after(30), LONGEST_RETRY);
    }
}
