//! Other hosts beside one, from what the server keeps of the last day.

use futures_util::future::try_join_all;
use jiff::Timestamp;
use lockstep_model::{HostName, ItemName, Rollout, Series};
use lockstep_pages::item::{self, Beside, Others};

use crate::app::App;
use crate::pages::Visit;
use crate::web::Refusal;

/// What an item's page offers to compare with: hosts on an old version while there are such.
#[derive(Debug)]
pub(super) struct Offers {
    rollouts: Vec<Rollout>,
    pub(super) choices: Vec<Beside>,
}

impl Offers {
    pub(super) async fn of(
        app: &App,
        visit: &Visit,
        host: &HostName,
        item: &ItemName,
    ) -> Result<Self, Refusal> {
        // The strip tells of those that are not over; most of the time there are none.
        let rollouts = if visit.board.strip.rollouts.is_empty() {
            Vec::new()
        } else {
            app.store.current_rollouts().await?
        };
        let mut choices = vec![Beside::Yesterday, Beside::LastWeek, Beside::Others];
        if item::old_version(&visit.board.hosts, host, item, &rollouts).is_some() {
            choices.push(Beside::OldVersion);
        }
        Ok(Self { rollouts, choices })
    }

    /// Reads the numbers of the others; none if other times were asked for. At most [`item::MOST_OTHERS`] hosts are read.
    pub(super) async fn read(
        &self,
        app: &App,
        visit: &Visit,
        host: &HostName,
        beside: Option<Beside>,
        shown: &Series,
    ) -> Result<Option<Others>, Refusal> {
        let (hosts, item) = (&visit.board.hosts, &shown.item);
        let crowd = match beside {
            Some(Beside::Others) => item::others(hosts, host, item),
            Some(Beside::OldVersion) => item::old_version(hosts, host, item, &self.rollouts),
            Some(Beside::Yesterday | Beside::LastWeek) | None => return Ok(None),
        };
        let Some(crowd) = crowd else {
            return Ok(Some(Others::nobody(shown)));
        };
        let read = crowd.hosts.iter().map(|it| measured(app, it, shown));
        let measured = try_join_all(read).await?.concat();
        Ok(Some(Others {
            series: item::course(shown, measured),
            crowd: Some(crowd),
        }))
    }
}

/// The numbers of one of them.
async fn measured(
    app: &App,
    host: &HostName,
    shown: &Series,
) -> Result<Vec<(Timestamp, f64)>, Refusal> {
    let snapshots = app.store.snapshots(host, shown.from, shown.to).await?;
    let number = snapshots.into_iter().filter_map(|snapshot| {
        let mut items = snapshot.items.iter();
        let value = items.find(|(item, ..)| *item == shown.item)?.1?;
        Some((snapshot.at, value))
    });
    Ok(number.collect())
}
