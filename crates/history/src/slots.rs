//! All items in short: what the server wants to know of the time when it heard nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::{HostName, Interval, ItemName};
use sqlx::sqlite::SqliteConnection;

use crate::read::{self, Reach};
use crate::tally::Tally;
use crate::tier::{Tier, ceil};
use crate::view::{Grid, moment};
use crate::{Error, History};

/// Means of one host's items over a short time.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Its beginning, a multiple of its length.
    pub at: Timestamp,
    /// Whose items they are; none for the agent's own host.
    pub host: Option<HostName>,
    /// Each item that had samples, with their mean.
    pub items: Vec<(ItemName, f64)>,
}

impl History {
    /// Most slots of time that one call looks at.
    pub const MOST_SLOTS: usize = 50;

    /// The slots that begin in a stretch of time, the oldest first; those without samples are left out. With more
    /// than [`History::MOST_SLOTS`] of them, only the first ones are answered: ask again from the last one's end.
    ///
    /// # Errors
    /// [`Error::Backwards`], [`Error::Database`].
    pub async fn slots(
        &self,
        from: Timestamp,
        to: Timestamp,
        length: Interval,
    ) -> Result<Vec<Slot>, Error> {
        const WHAT: &str = "read what the server has missed";
        if to <= from {
            return Err(Error::Backwards { from, to });
        }
        let width = i64::try_from(length.duration().as_secs())
            .unwrap_or(i64::MAX)
            .clamp(1, Tier::Long.window());
        let up = |second| ceil(second, width);
        let first = up(from.as_second() + i64::from(from.subsec_nanosecond() > 0));
        let last = up(to.as_second() + i64::from(to.subsec_nanosecond() > 0));
        let count = usize::try_from((last - first) / width).unwrap_or(0);
        let grid = Grid {
            from: first,
            width,
            count: count.min(Self::MOST_SLOTS),
        };
        let ids = self.memory().ids();
        let mut conn = self.conn(WHAT).await?;
        let mut means = means(&mut conn, &ids, grid)
            .await
            .map_err(Error::during(WHAT))?;

        let memory = self.memory();
        let mut slots: BTreeMap<_, Vec<(ItemName, f64)>> = BTreeMap::new();
        for (host, item, known) in memory.all() {
            let Some(means) = means.remove(&known.id) else {
                continue;
            };
            for (index, mean) in means {
                let items = slots.entry((index, host)).or_default();
                items.push((item.clone(), mean));
            }
        }
        let slots = slots.into_iter().map(|((index, host), items)| Slot {
            at: moment(grid.from + grid.width * index as i64),
            host: host.cloned(),
            items,
        });
        Ok(slots.collect())
    }
}

/// The means of each series in the buckets that are not empty.
async fn means(
    conn: &mut SqliteConnection,
    ids: &[u32],
    grid: Grid,
) -> sqlx::Result<BTreeMap<u32, Vec<(usize, f64)>>> {
    let reach = Reach::read(conn).await?;
    let parts = reach.parts(grid.from, grid.to(), grid.width);
    // One pass over the rounds for all series, and one over each series' chunks.
    let mut sums: BTreeMap<u32, Vec<(u64, f64)>> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.tier == Tier::Raw) {
        read::pending(conn, part.from, part.to, |at, id, value| {
            add(&mut sums, grid, id, at, &Tally::one(value));
        })
        .await?;
    }
    for &id in ids {
        for part in &parts {
            read::chunks(conn, id, *part, |at, tally| {
                add(&mut sums, grid, id, at, tally);
            })
            .await?;
        }
    }
    let means = sums.into_iter().map(|(id, sums)| {
        let of = |(index, (count, sum)): (usize, (u64, f64))| {
            (count > 0).then(|| (index, sum / count as f64))
        };
        (id, sums.into_iter().enumerate().filter_map(of).collect())
    });
    Ok(means.collect())
}

fn add(sums: &mut BTreeMap<u32, Vec<(u64, f64)>>, grid: Grid, id: u32, at: i64, tally: &Tally) {
    let Some(index) = grid.index(at) else {
        return;
    };
    let sums = sums.entry(id).or_insert_with(|| vec![(0, 0.0); grid.count]);
    sums[index].0 += tally.count;
    sums[index].1 += tally.sum;
}
