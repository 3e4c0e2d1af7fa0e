//! The records of one run, in their order, out of the server's chain.
//!
//! The chain is long and is found by number alone. But its entries are written one after the other, so the ones of a run's
//! time are found by halving, and not many of them are read.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::{ChainPage, RunView};
use lockstep_model::{ChainSubject, RunRecord};
use lockstep_pages::runs::Step;

use crate::app::App;
use crate::web::Refusal;

/// Pages of the chain that are read for one run.
const MOST_PAGES: usize = 4;
/// Clocks of hosts differ from the server's by less than this, or the first records are not found.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(10);

/// The records that were found, oldest first, and whether there may be more of them.
pub(crate) async fn steps(app: &App, run: &RunView) -> Result<(Vec<Step>, bool), Refusal> {
    let record = &run.record;
    let begin = record.started_at.checked_sub(CLOCKS_DIFFER);
    let mut after = before(app, begin.unwrap_or(Timestamp::MIN)).await?;
    let mut steps: Vec<Step> = Vec::new();
    for _ in 0..MOST_PAGES {
        let page = app.store.chain_after(after, ChainPage::MOST).await?;
        let Some(last) = page.entries.last() else {
            return Ok((in_order(steps), false));
        };
        after = last.link.number;
        for entry in &page.entries {
            let of_host = matches!(&entry.subject, ChainSubject::Run(host) if *host == run.host);
            if !of_host {
                continue;
            }
            // What is no record of this version's words is not of a run that it knows.
            let Ok(found) = serde_json::from_str::<RunRecord>(&entry.body) else {
                continue;
            };
            if found.id != record.id {
                continue;
            }
            let is_newest = found.at == record.at && found.outcome == record.outcome;
            steps.push(Step {
                at: found.at,
                phase: found.phase,
                waits: found.waits,
                outcome: found.outcome,
                number: entry.link.number,
            });
            if is_newest && found.outcome.is_some() {
                return Ok((in_order(steps), false));
            }
        }
        if page.head.is_none_or(|head| head.number <= after) {
            return Ok((in_order(steps), false));
        }
    }
    Ok((in_order(steps), true))
}

/// The number of an entry before which nothing was written at `at` or later.
async fn before(app: &App, at: Timestamp) -> Result<u64, Refusal> {
    let head = app.store.chain_after(u64::MAX, 1).await?.head;
    let (mut low, mut high) = (0, head.map_or(0, |head| head.number));
    while low < high {
        let middle = low + (high - low) / 2;
        let next = app.store.chain_after(middle, 1).await?;
        match next.entries.first() {
            // The one behind the middle is too early, so all up to it are.
            Some(entry) if entry.at < at => low = entry.link.number,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Records may come in another order than they were written.
fn in_order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by_key(|step| (step.at, step.number));
    steps
}
