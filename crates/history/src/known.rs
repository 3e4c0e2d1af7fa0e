//! Which series there are, and where the clock stands: what would otherwise be read from the file for each round.

use std::collections::BTreeMap;

use lockstep_model::{HostName, ItemName};
use sqlx::sqlite::SqliteConnection;
use sqlx::{query_as, query_scalar};

use crate::tier::Tier;

/// Most series of one file; others are not recorded.
pub(crate) const MOST_SERIES: usize = 4096;

/// A series: one item of one host.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) id: u32,
    pub(crate) unit: String,
    /// The second of its newest sample.
    pub(crate) last: i64,
}

/// All series, and what of the clock must be remembered.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    series: BTreeMap<Option<HostName>, BTreeMap<ItemName, Known>>,
    /// The second of the newest round.
    pub(crate) newest: Option<i64>,
    /// Since when rounds come that are older than the newest one, by the clock that made them.
    pub(crate) behind: Option<i64>,
    /// The rounds that no chunk holds yet.
    pub(crate) open: Open,
    /// True once it was said that there are too many series.
    pub(crate) told: bool,
}

/// The rounds that no chunk holds yet.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Open {
    /// The window they lie in.
    pub(crate) window: i64,
    pub(crate) rounds: usize,
    pub(crate) samples: usize,
}

impl Memory {
    /// Reads it from the file.
    pub(crate) async fn load(conn: &mut SqliteConnection) -> sqlx::Result<Self> {
        let mut memory = Self::default();
        let sealed: Option<i64> = query_scalar("SELECT max(to_s) - 1 FROM batch WHERE tier = 0")
            .fetch_one(&mut *conn)
            .await?;
        let (rounds, first, last, bytes): (i64, Option<i64>, Option<i64>, i64) = query_as(
            "SELECT count(*), min(at_s), max(at_s), coalesce(sum(length(data)), 0) FROM pending",
        )
        .fetch_one(&mut *conn)
        .await?;
        memory.newest = last.max(sealed);
        memory.open = Open {
            window: Tier::Raw.window_of(first.unwrap_or(0)),
            rounds: usize::try_from(rounds).unwrap_or(usize::MAX),
            // No sample takes less than three bytes. It only decides when the rounds are sealed.
            samples: usize::try_from(bytes / 3).unwrap_or(usize::MAX),
        };
        let rows: Vec<(i64, String, String, String)> =
            query_as("SELECT id, host, item, unit FROM series ORDER BY id")
                .fetch_all(&mut *conn)
                .await?;
        for (id, host, item, unit) in rows {
            let host = (!host.is_empty()).then(|| HostName::parse(&host));
            let (Ok(host), Ok(item), Ok(id)) =
                (host.transpose(), ItemName::parse(&item), u32::try_from(id))
            else {
                tracing::warn!(
                    id,
                    "a series of the history has no name that could be asked for"
                );
                continue;
            };
            // Nothing older than the newest round is taken, so no series need know better.
            let last = memory.newest.unwrap_or(i64::MIN);
            memory.learn(host.as_ref(), &item, Known { id, unit, last });
        }
        Ok(memory)
    }

    pub(crate) fn get(&self, host: Option<&HostName>, item: &ItemName) -> Option<&Known> {
        // A map with an optional name as its key cannot be asked without a copy of the name; the copy is short, and
        // most hosts watch themselves alone.
        self.series.get(&host.cloned())?.get(item)
    }

    pub(crate) fn learn(&mut self, host: Option<&HostName>, item: &ItemName, known: Known) {
        let items = self.series.entry(host.cloned()).or_default();
        items.insert(item.clone(), known);
    }

    /// Notes that these series have a sample of this second.
    pub(crate) fn sampled(&mut self, ids: impl Iterator<Item = u32>, second: i64) {
        // In order, as the caller has them.
        let ids: Vec<u32> = ids.collect();
        for known in self.series.values_mut().flat_map(BTreeMap::values_mut) {
            if ids.binary_search(&known.id).is_ok() {
                known.last = second;
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.series.values().map(BTreeMap::len).sum()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Option<&HostName>, &ItemName, &Known)> {
        self.series.iter().flat_map(|(host, items)| {
            items
                .iter()
                .map(move |(item, known)| (host.as_ref(), item, known))
        })
    }

    /// The numbers of all series, in order.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.all().map(|(.., known)| known.id).collect();
        ids.sort_unstable();
        ids
    }
}
