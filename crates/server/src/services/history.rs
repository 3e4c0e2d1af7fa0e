//! An item's history: the host has it; the server keeps the last day, coarse.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::HistoryView;
use lockstep_model::api::{Ask, QueryAnswer, Snapshot};
use lockstep_model::{Bucket, HistoryQuery, HostName, Series, Span, View};

use crate::app::App;
use crate::queries::NoAnswer;
use crate::web::Refusal;

/// The time that an address asks for: a view, the day if it names none, or from a moment to another or to now.
pub(crate) fn span(
    view: Option<View>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<Span, Refusal> {
    let Some(from) = from else {
        return Ok(Span::View(view.unwrap_or(View::Day)));
    };
    if view.is_some() {
        return Err(Refusal::bad_request(
            "give a view, or from and to, not both",
        ));
    }
    let to = to.unwrap_or(now);
    if from >= to {
        return Err(Refusal::bad_request("from must lie before to"));
    }
    Ok(Span::Between { from, to })
}

/// Asks the host, and falls back to what the server keeps.
pub(crate) async fn of(
    app: &App,
    host: &HostName,
    mut query: HistoryQuery,
    now: Timestamp,
) -> Result<HistoryView, Refusal> {
    // A host without an agent is asked through the one that watches it.
    let accepted = app.fleet.accepted();
    let via = accepted.and_then(|accepted| accepted.fleet.watcher_of(host).cloned());
    let asked = match via {
        Some(via) => {
            query.host = Some(host.clone());
            via
        }
        None => host.clone(),
    };
    let answer = if app.streams.holds(&asked) {
        let ask = Ask::History(query.clone());
        app.queries.ask(&app.hints, &asked, ask).await
    } else {
        Err(NoAnswer::NotConnected)
    };
    let why_not = match answer {
        Ok(QueryAnswer::History(series)) => {
            return Ok(HistoryView {
                series,
                from_host: true,
                why_not: None,
            });
        }
        Ok(QueryAnswer::Refused(why)) => why,
        Ok(_) => "it answered something else".into(),
        Err(why) => why.to_string(),
    };
    let series = kept(app, host, &query, now).await?;
    Ok(HistoryView {
        series,
        from_host: false,
        why_not: Some(why_not),
    })
}

/// What the server keeps itself: one number for each slot of the last day.
pub(crate) async fn kept(
    app: &App,
    host: &HostName,
    query: &HistoryQuery,
    now: Timestamp,
) -> Result<Series, Refusal> {
    let (from, to) = match query.span {
        Span::Between { from, to } => (from, to),
        Span::View(view) => {
            let length = view.bucket() * view.buckets();
            let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
            (now.checked_sub(length).unwrap_or(Timestamp::MIN), now)
        }
    };
    let snapshots = app.store.snapshots(host, from, to).await?;
    let bucket = |snapshot: Snapshot| {
        let found = snapshot
            .items
            .into_iter()
            .find(|(item, ..)| *item == query.item)?;
        let value = found.1?;
        Some(Bucket {
            at: snapshot.at,
            count: 1,
            mean: value,
            min: value,
            max: value,
        })
    };
    let slot = Snapshot::SLOT.duration().as_millis();
    Ok(Series {
        item: query.item.clone(),
        unit: String::new(),
        from,
        to,
        bucket_ms: u64::try_from(slot).unwrap_or(u64::MAX),
        buckets: snapshots.into_iter().filter_map(bucket).collect(),
    })
}
