//! What comes in by the agent's gateways.

use std::time::Duration;

use lockstep_gateway::dmon::client::State;
use lockstep_model::{HistoryQuery, HostName, ItemName, Series, Span, View};
use tokio::time::Instant;

use super::past::Past;
use super::{Ask, HINT_PAUSE, Worker};
use crate::gateway::dmon::Wish;

/// A report that was wished for comes within this time: not all hosts in one moment.
const SOON: Duration = Duration::from_secs(10);
/// Series in one answer.
const MOST_SERIES: usize = 500;

impl Worker {
    /// Whoever wished may have gone away; then nobody hears the answer.
    pub(super) fn wished(&mut self, wish: Wish) {
        match wish {
            Wish::State(answer) => drop(answer.send(self.dmon_state())),
            Wish::History {
                host,
                view,
                names,
                answer,
            } => {
                let past = self.watching.past().clone();
                let host = host.filter(|host| *host != self.identity.host);
                tokio::spawn(async move {
                    drop(answer.send(series(&past, host, view, names).await));
                });
            }
            Wish::Send(answer) => {
                let wait = SOON.mul_f64(fastrand::f64());
                let now = Instant::now();
                self.next_report = (now + wait).max(self.last_report + HINT_PAUSE);
                let wait = self.next_report.saturating_duration_since(now);
                let at = self.clock.now().checked_add(wait);
                let at = at.unwrap_or_else(|_| self.clock.now());
                drop(answer.send((self.link.server().to_owned(), at)));
            }
            // It asks as anybody may who knows nothing of this host: what its own settings refuse stays refused.
            Wish::Upgrade(answer) => self.ask_server(Ask::Check, answer),
            Wish::Zap(answer) => {
                let past = self.watching.past().clone();
                tokio::spawn(async move { drop(answer.send(past.zap().await)) });
            }
        }
    }

    fn dmon_state(&self) -> State {
        let watched = self.watching.watched().iter();
        State {
            host: self.identity.host.clone(),
            server: self.link.server().into(),
            work: None,
            log: "standard error".into(),
            log_level: tracing::level_filters::LevelFilter::current().to_string(),
            names: self.watching.level_names().clone(),
            items: self.watching.states().unwrap_or_default().to_vec(),
            watched: watched
                .map(|report| (report.host.clone(), report.items.clone()))
                .collect(),
        }
    }
}

/// Series of items, of all that there are where none are named. An item without history is left out, unless there is
/// nothing else.
async fn series(
    past: &Past,
    host: Option<HostName>,
    view: View,
    mut names: Vec<ItemName>,
) -> Result<Vec<Series>, String> {
    if names.is_empty() {
        let items = past.items().await?.into_iter();
        let of_host = items.filter(|(of, _)| *of == host);
        names = of_host.map(|(_, item)| item).take(MOST_SERIES).collect();
    }
    let mut found = Vec::new();
    let mut why = None;
    for item in names {
        let query = HistoryQuery {
            host: host.clone(),
            item,
            span: Span::View(view),
            points: None,
        };
        match past.view(query).await {
            Ok(series) => found.push(series),
            Err(error) => why = Some(error),
        }
    }
    match why {
        Some(why) if found.is_empty() => Err(why),
        _ => Ok(found),
    }
}
