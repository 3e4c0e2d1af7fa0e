//! The history of this host's items, kept by a task of its own: a disk that is slow today must not hold up the
//! worker.
//!
//! A history that cannot be opened or written costs graphs and nothing else; it is said once and tried again.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_history::{Error, History, Measured};
use lockstep_model::api::Snapshot;
use lockstep_model::{HistoryQuery, HostName, ItemName, Level, Retention, Sample, Series, Value};
use lockstep_net::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::forecast::{Forecast, forecasts};
use crate::words;

/// Rounds of samples that wait to be written. More means that the disk does not keep up: then rounds are left out.
const MOST_WAITING: usize = 16;
/// The first fold comes this soon after the start, the next ones follow every hour.
const FIRST_FOLD: Duration = Duration::from_secs(30);
const FOLD: Duration = Duration::from_secs(3_600);
/// Forecasts are made this soon after the start, and then every ten minutes: what rests on hours does not change
/// sooner.
const FIRST_FORECAST: Duration = Duration::from_secs(60);
const FORECAST: Duration = Duration::from_secs(600);
/// A history that could not be opened is tried again after this time.
const OPEN_AGAIN: Duration = Duration::from_secs(300);

/// An item of which there is history, and the watched host whose it is.
pub(super) type ItemOf = (Option<HostName>, ItemName);

/// The handle of the task.
#[derive(Debug, Clone)]
pub(super) struct Past {
    orders: mpsc::Sender<Order>,
    forecasts: watch::Receiver<Vec<Forecast>>,
}

enum Order {
    Record(Timestamp, Vec<Sample>),
    View(HistoryQuery, oneshot::Sender<Result<Series, String>>),
    Snapshots {
        from: Timestamp,
        to: Timestamp,
        answer: oneshot::Sender<Vec<Snapshot>>,
    },
    Keep(Retention),
    Items(oneshot::Sender<Vec<ItemOf>>),
    Zap(oneshot::Sender<Result<String, String>>),
}

impl Past {
    /// Starts the task. It ends when the last handle is gone, and closes the file then.
    pub(super) fn start(path: PathBuf, retention: Retention, clock: Clock) -> Self {
        let (orders, taken) = mpsc::channel(MOST_WAITING);
        let (made, forecasts) = watch::channel(Vec::new());
        tokio::spawn(keep(path, retention, clock, taken, made));
        Self { orders, forecasts }
    }

    /// What is forecast of this host's file systems; nothing while there is no history.
    pub(super) fn forecasts(&self) -> Vec<Forecast> {
        self.forecasts.borrow().clone()
    }

    /// Keeps the numbers of a round.
    pub(super) fn record(&self, at: Timestamp, samples: &[Sample]) {
        let is_number = |sample: &&Sample| matches!(sample.value, Value::Number { .. });
        let numbers: Vec<Sample> = samples.iter().filter(is_number).cloned().collect();
        if !numbers.is_empty() && self.orders.try_send(Order::Record(at, numbers)).is_err() {
            warn!("the history does not keep up; a round of samples is left out of it");
        }
    }

    /// How long what is kept from now on.
    pub(super) async fn keep(&self, retention: Retention) {
        // Without its task there is no history to keep.
        let _ = self.orders.send(Order::Keep(retention)).await;
    }

    /// An item's history; the error is for people.
    pub(super) async fn view(&self, query: HistoryQuery) -> Result<Series, String> {
        let (answer, answered) = oneshot::channel();
        let gone = || "the history is closed".to_owned();
        let order = Order::View(query, answer);
        self.orders.send(order).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// All items of which there is history; the error is for people.
    pub(super) async fn items(&self) -> Result<Vec<ItemOf>, String> {
        let (answer, answered) = oneshot::channel();
        let closed = || "the history is closed".to_owned();
        let order = Order::Items(answer);
        self.orders.send(order).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }

    /// Folds what is old enough now, and says what was done; the error is for people.
    pub(super) async fn zap(&self) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let closed = || "the history is closed".to_owned();
        let order = Order::Zap(answer);
        self.orders.send(order).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// What was measured between two moments, slot by slot.
    pub(super) async fn snapshots(&self, from: Timestamp, to: Timestamp) -> Vec<Snapshot> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Snapshots { from, to, answer };
        if self.orders.send(order).await.is_err() {
            return Vec::new();
        }
        answered.await.unwrap_or_default()
    }
}

async fn keep(
    path: PathBuf,
    retention: Retention,
    clock: Clock,
    mut orders: mpsc::Receiver<Order>,
    forecasts: watch::Sender<Vec<Forecast>>,
) {
    let mut retention = retention;
    loop {
        let history = match History::open(&path, retention.clone(), clock.now()).await {
            Ok(history) => {
                if let Some(aside) = history.moved_aside() {
                    warn!(file = %path.display(), kept = %aside.display(), "the history was damaged and was moved aside; a new one begins");
                }
                history
            }
            Err(error) => {
                warn!(
                    error = words(&error),
                    "the history cannot be opened; tried again in five minutes"
                );
                match refuse_until(Instant::now() + OPEN_AGAIN, &mut orders, &mut retention).await {
                    Some(()) => continue,
                    None => return,
                }
            }
        };
        let ended = serve(&history, &clock, &mut orders, &forecasts).await;
        // Nobody makes them anew, and old ones must not look like new ones.
        forecasts.send_replace(Vec::new());
        history.close().await;
        match ended {
            Ended::NobodyAsks => return,
            // Opening it again moves the file aside and begins a new one.
            Ended::Damaged => warn!("the history is damaged and is opened again"),
        }
    }
}

/// Why the history is no longer served.
enum Ended {
    NobodyAsks,
    Damaged,
}

async fn serve(
    history: &History,
    clock: &Clock,
    orders: &mut mpsc::Receiver<Order>,
    made: &watch::Sender<Vec<Forecast>>,
) -> Ended {
    let mut fold_at = Instant::now() + FIRST_FOLD;
    let mut forecast_at = Instant::now() + FIRST_FORECAST;
    let mut fails = false;
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            () = sleep_until(fold_at) => {
                fold_at = Instant::now() + FOLD;
                match history.zap(clock.now()).await {
                    Ok(_) => {}
                    Err(Error::Damaged { .. }) => return Ended::Damaged,
                    Err(error) => warn!(error = words(&error), "the history could not be folded; tried again in an hour"),
                }
                continue;
            }
            () = sleep_until(forecast_at) => {
                forecast_at = Instant::now() + FORECAST;
                match forecasts(history, clock.now()).await {
                    Ok(forecasts) => { made.send_replace(forecasts); }
                    Err(Error::Damaged { .. }) => return Ended::Damaged,
                    Err(error) => {
                        made.send_replace(Vec::new());
                        warn!(error = words(&error), "the history could not be read for forecasts; tried again in ten minutes");
                    }
                }
                continue;
            }
        };
        match order {
            None => return Ended::NobodyAsks,
            Some(Order::Record(at, numbers)) => {
                let numbers: Vec<_> = numbers.iter().filter_map(Measured::of).collect();
                match history.record(at, &numbers).await {
                    Ok(_) if fails => {
                        fails = false;
                        info!("the history is written again");
                    }
                    Ok(_) => {}
                    Err(Error::Damaged { .. }) => return Ended::Damaged,
                    // Once is enough: it would be said every minute.
                    Err(error) if !fails => {
                        fails = true;
                        warn!(error = words(&error), "the history cannot be written");
                    }
                    Err(_) => {}
                }
            }
            Some(Order::View(query, answer)) => {
                let series = history.view(&query, clock.now()).await;
                // Whoever asked may have gone away.
                let _ = answer.send(series.map_err(|error| words(&error)));
            }
            Some(Order::Snapshots { from, to, answer }) => {
                let _ = answer.send(snapshots(history, from, to).await);
            }
            Some(Order::Keep(retention)) => history.set_retention(retention),
            Some(Order::Items(answer)) => {
                let items = history.items().into_iter().map(|it| (it.host, it.item));
                let _ = answer.send(items.collect());
            }
            Some(Order::Zap(answer)) => match history.zap(clock.now()).await {
                Ok(zapped) => {
                    let _ = answer.send(Ok(format!(
                        "ok folded {} deleted {} forgotten {}",
                        zapped.folded, zapped.deleted, zapped.forgotten
                    )));
                }
                Err(Error::Damaged { .. }) => return Ended::Damaged,
                Err(error) => {
                    let _ = answer.send(Err(words(&error)));
                }
            },
        }
    }
}

/// All slots between two moments, the oldest first.
async fn snapshots(history: &History, from: Timestamp, to: Timestamp) -> Vec<Snapshot> {
    let length = Snapshot::SLOT;
    let mut found = Vec::new();
    let mut from = from;
    while from < to {
        let slots = match history.slots(from, to, length).await {
            Ok(slots) => slots,
            Err(error) => {
                warn!(error = words(&error), "the history could not be read");
                return found;
            }
        };
        // What has no sample is left out, so the next question begins behind what was looked at, not behind what
        // was found.
        let looked_at = length.duration() * History::MOST_SLOTS as u32;
        from = from.checked_add(looked_at).unwrap_or(to);
        found.extend(slots.into_iter().map(|slot| {
            Snapshot {
                at: slot.at,
                host: slot.host,
                // The history has no levels. What was not well is told by events.
                items: slot
                    .items
                    .into_iter()
                    .map(|(item, mean)| (item, Some(mean), Level::FINE))
                    .collect(),
            }
        }));
    }
    found
}

/// Turns orders away until a moment; none when nobody can give any more.
async fn refuse_until(
    until: Instant,
    orders: &mut mpsc::Receiver<Order>,
    retention: &mut Retention,
) -> Option<()> {
    loop {
        tokio::select! {
            () = sleep_until(until) => return Some(()),
            order = orders.recv() => match order? {
                Order::View(_, answer) => {
                    let _ = answer.send(Err("the history cannot be opened; the log says why".into()));
                }
                Order::Keep(wanted) => *retention = wanted,
                // Who asked for these sees its channel closed.
                Order::Record(..) | Order::Snapshots { .. } | Order::Items(_) | Order::Zap(_) => {}
            },
        }
    }
}
