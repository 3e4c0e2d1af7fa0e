//! Views: a series in buckets.

use jiff::Timestamp;
use lockstep_model::{Bucket, HistoryQuery, HostName, ItemName, Series, Span};
use sqlx::sqlite::SqliteConnection;

use crate::known::Known;
use crate::read::{self, Reach};
use crate::tally::Tally;
use crate::tier::{Tier, ceil, floor};
use crate::{Error, History};

/// Buckets of a stretch of time that is no view, unless the question says otherwise.
const POINTS: u32 = 100;

/// Buckets of equal width, the first of which begins at `from`. Both are in seconds, and `from` is a multiple of the
/// width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) from: i64,
    pub(crate) width: i64,
    pub(crate) count: usize,
}

impl Grid {
    pub(crate) fn to(&self) -> i64 {
        self.from + self.width * self.count as i64
    }

    pub(crate) fn index(&self, second: i64) -> Option<usize> {
        let index = second.checked_sub(self.from)?.div_euclid(self.width);
        usize::try_from(index)
            .ok()
            .filter(|&index| index < self.count)
    }

    /// The grid that answers a question, where `step` says how fine the time from a second on is kept.
    fn of(query: &HistoryQuery, now: Timestamp, step: impl Fn(i64) -> i64) -> Result<Self, Error> {
        let points = |usual: u32| {
            let points = query.points.unwrap_or(usual);
            i64::from(points.clamp(1, HistoryQuery::MOST_POINTS))
        };
        match query.span {
            Span::View(view) => {
                let bucket = view.bucket().as_secs() as i64;
                let span = bucket * i64::from(view.buckets());
                let (width, count) = match query.points {
                    None => (bucket, i64::from(view.buckets())),
                    Some(_) => {
                        let from = now.as_second().saturating_sub(span);
                        let width = width(span, points(POINTS), step(from));
                        (width, ceil(span, width) / width)
                    }
                };
                // The last bucket is the one that now lies in.
                let to = floor(now.as_second(), width) + width;
                Ok(Self {
                    from: to - width * count,
                    width,
                    count: count as usize,
                })
            }
            Span::Between { from, to } => {
                if to <= from {
                    return Err(Error::Backwards { from, to });
                }
                let first = from.as_second();
                // A part of a second is a second.
                let last = to.as_second() + i64::from(to.subsec_nanosecond() > 0);
                let width = width((last - first).max(1), points(POINTS), step(first));
                let from = floor(first, width);
                let count = ceil((last - from).max(1), width) / width;
                Ok(Self {
                    from,
                    width,
                    count: count as usize,
                })
            }
        }
    }
}

/// The width of so many buckets in a stretch of time that is kept in buckets of `step` seconds. It is rounded up to
/// whole ones of those, so that none is counted for its neighbour; and to whole ones of a coarser grain where that
/// is little, so that the coarser grain can serve.
fn width(span: i64, points: i64, step: i64) -> i64 {
    let width = (ceil(span, points) / points).max(1);
    let unit = match width {
        0..60 => 1,
        60..600 => 60,
        600..21_600 => Tier::Mid.step(),
        _ => Tier::Long.step(),
    };
    ceil(width, unit.max(step))
}

impl History {
    /// An item's history in buckets. A view has dmon's own: so many of such a width, the last one holding `now`. Any
    /// other stretch of time has at most as many as were asked for, and one more, since buckets begin at multiples of
    /// their width and cover the whole stretch; rounding the width up to whole minutes or hours may make them fewer, and
    /// where time is kept no finer than 10 minutes or an hour, buckets are no finer either.
    ///
    /// # Errors
    /// [`Error::Unknown`] for an item without history, [`Error::Backwards`], [`Error::Database`].
    pub async fn view(&self, query: &HistoryQuery, now: Timestamp) -> Result<Series, Error> {
        const WHAT: &str = "read an item's history";
        let known = self.known(query.host.as_ref(), &query.item)?;
        let mut conn = self.conn(WHAT).await?;
        let reach = Reach::read(&mut conn).await.map_err(Error::during(WHAT))?;
        let grid = Grid::of(query, now, |from| reach.step_at(from))?;
        let tallies = tallies(&mut conn, known.id, &reach, grid)
            .await
            .map_err(Error::during(WHAT))?;
        let buckets = tallies.iter().enumerate().filter_map(|(index, tally)| {
            Some(Bucket {
                at: moment(grid.from + grid.width * index as i64),
                count: tally.count,
                mean: tally.mean()?,
                min: tally.min,
                max: tally.max,
            })
        });
        Ok(Series {
            item: query.item.clone(),
            unit: known.unit,
            from: moment(grid.from),
            to: moment(grid.to()),
            bucket_ms: grid.width.unsigned_abs() * 1_000,
            buckets: buckets.collect(),
        })
    }

    pub(crate) fn known(&self, host: Option<&HostName>, item: &ItemName) -> Result<Known, Error> {
        let known = self.memory().get(host, item).cloned();
        known.ok_or_else(|| Error::Unknown { item: item.clone() })
    }
}

/// What fell into each bucket.
async fn tallies(
    conn: &mut SqliteConnection,
    id: u32,
    reach: &Reach,
    grid: Grid,
) -> sqlx::Result<Vec<Tally>> {
    let mut tallies = vec![Tally::EMPTY; grid.count];
    let mut add = |at, tally: &Tally| {
        if let Some(bucket) = grid.index(at).and_then(|index| tallies.get_mut(index)) {
            bucket.add(tally);
        }
    };
    for part in reach.parts(grid.from, grid.to(), grid.width) {
        read::chunks(conn, id, part, &mut add).await?;
        if part.tier == Tier::Raw {
            read::pending(conn, part.from, part.to, |at, of, value| {
                if of == id {
                    add(at, &Tally::one(value));
                }
            })
            .await?;
        }
    }
    Ok(tallies)
}

/// A second as a moment; what lies beyond all calendars is their end.
pub(crate) fn moment(second: i64) -> Timestamp {
    let end = if second < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(second).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use lockstep_model::View;
    use proptest::prelude::*;

    use super::*;

    fn query(span: Span, points: Option<u32>) -> HistoryQuery {
        HistoryQuery {
            host: None,
            item: ItemName::parse("cpu_load").unwrap(),
            span,
            points,
        }
    }

    #[test]
    fn a_view_ends_with_the_bucket_that_now_lies_in() {
        let now = moment(1_700_000_030);
        for view in View::ALL {
            let grid = Grid::of(&query(Span::View(view), None), now, |_| 1).unwrap();
            assert_eq!(grid.count, view.buckets() as usize, "{view}");
            assert_eq!(grid.width, view.bucket().as_secs() as i64, "{view}");
            assert_eq!(grid.from % grid.width, 0, "{view}");
            assert_eq!(grid.index(now.as_second()), Some(grid.count - 1), "{view}");
        }
    }

    proptest! {
        #[test]
        fn a_stretch_of_time_is_covered_by_no_more_points_than_asked_and_one(
            from in -1_000_000_000_i64..4_000_000_000, length in 1_i64..200_000_000, points in 1_u32..3_000,
            step in prop::sample::select(vec![1_i64, 600, 3_600]),
        ) {
            let span = Span::Between { from: moment(from), to: moment(from + length) };
            let grid = Grid::of(&query(span, Some(points)), moment(0), |_| step).unwrap();
            prop_assert_eq!((grid.from % step, grid.width % step), (0, 0));
            prop_assert!(grid.from <= from && grid.to() >= from + length);
            prop_assert!(grid.from + grid.width > from && grid.to() - grid.width < from + length);
            prop_assert!(grid.count <= points.min(HistoryQuery::MOST_POINTS) as usize + 1);
        }
    }
}
