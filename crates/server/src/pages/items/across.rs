//! All items of the fleet, and one of them on all hosts. Both draw from the board.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::Snapshot;
use lockstep_model::{HostName, ItemName, ItemState};
use lockstep_pages::hosts::HostLine;
use lockstep_pages::items::{self, ACROSS_SIZE, Across, AcrossRow, ItemLine, Items, SIZE};
use lockstep_pages::parts::pager::Slice;
use serde::Deserialize;

use super::super::Visit;
use super::judgement;
use crate::app::App;
use crate::web::{Named, Question, Refusal};

/// What the drawings in rows go back, in slots of snapshots.
const SLOTS: u32 = 12;

/// Which items are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    q: String,
    page: Option<usize>,
}

/// `GET /items?q=WORDS&page=N`: worst first.
pub(super) async fn list(
    visit: Visit,
    Question(which): Question<Which>,
) -> Result<Html<String>, Refusal> {
    let words = which.q.trim().to_lowercase();
    let has_words = |line: &&ItemLine| line.item.as_str().to_lowercase().contains(&words);
    let lines: Vec<&ItemLine> = visit.board.items().iter().filter(has_words).collect();
    let slice = Slice::of(which.page.unwrap_or(1), SIZE, lines.len());
    let items = Items {
        lines: &lines[slice.from..slice.to],
        slice,
        words: which.q.trim(),
    };
    Ok(Html(items::list(&visit.frame(), &items)))
}

/// `GET /items/ITEM?page=N`: worst first; of equal levels the worse number first, as far as it is known which is worse.
pub(super) async fn across(
    State(app): State<Arc<App>>,
    visit: Visit,
    Named(item): Named<ItemName>,
    Question(which): Question<Which>,
) -> Result<Html<String>, Refusal> {
    let states = visit.board.hosts.iter().filter_map(|line| {
        let state = line.items.iter().find(|it| it.item == item)?;
        Some((line.as_ref(), state))
    });
    let mut states: Vec<(&HostLine, &ItemState)> = states.collect();
    let badness = judgement::badness(&item);
    states.sort_by(|(a_host, a), (b_host, b)| {
        let by_value = || badness(&b.value).total_cmp(&badness(&a.value));
        let by_level = b.level.cmp(&a.level);
        by_level
            .then_with(by_value)
            .then_with(|| a_host.view.name.cmp(&b_host.view.name))
    });
    let slice = Slice::of(which.page.unwrap_or(1), ACROSS_SIZE, states.len());
    let mut rows = Vec::with_capacity(slice.to - slice.from);
    for (line, state) in &states[slice.from..slice.to] {
        rows.push(AcrossRow {
            host: &line.view.name,
            silent: line.silent,
            state,
            spark: spark(&app, &line.view.name, &item, visit.now).await?,
        });
    }
    let across = Across {
        item: &item,
        rows,
        slice,
    };
    Ok(Html(items::across(&visit.frame(), &across)))
}

/// What the server keeps of the last two hours.
async fn spark(
    app: &App,
    host: &HostName,
    item: &ItemName,
    now: Timestamp,
) -> Result<Vec<Option<f64>>, Refusal> {
    let slot = SignedDuration::try_from(Snapshot::SLOT.duration()).unwrap_or(SignedDuration::MAX);
    let from = now.checked_sub(slot * i32::try_from(SLOTS).unwrap_or(1));
    let from = from.unwrap_or(Timestamp::MIN);
    let mut spark = vec![None; SLOTS as usize];
    for snapshot in app.store.snapshots(host, from, now).await? {
        let place = snapshot.at.duration_since(from).as_secs() / slot.as_secs().max(1);
        let found = snapshot.items.iter().find(|(name, ..)| name == item);
        let value = found.and_then(|(_, value, _)| *value);
        if let Some(place) = usize::try_from(place).ok().and_then(|it| spark.get_mut(it)) {
            *place = value;
        }
    }
    Ok(spark)
}
