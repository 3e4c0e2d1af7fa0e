//! The agent's figures for a collector on this machine, if `agent.toml` asks for them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use lockstep_model::{ItemState, Value, Version};
use lockstep_net::exposition::{Exposition, Format, Kind};
use lockstep_net::pages::{self, Asked, Page};
use lockstep_plan::probation::Link;
use tokio::task::AbortHandle;
use tracing::{info, warn};

/// Samples in one answer: two for each of 500 items, and some of the agent's own.
const MOST: usize = 1_100;

/// The listener, and what it shows.
#[derive(Debug)]
pub(super) struct Figures {
    shown: Arc<Mutex<Shown>>,
    address: Option<SocketAddr>,
    listener: Option<AbortHandle>,
}

#[derive(Debug)]
struct Shown {
    version: String,
    states: Vec<ItemState>,
    is_up: bool,
    reported_at: Option<Timestamp>,
}

impl Figures {
    /// Listens, if an address is given.
    pub(super) fn begin(address: Option<SocketAddr>, version: &Version) -> Self {
        let shown = Shown {
            version: version.to_string(),
            states: Vec::new(),
            is_up: false,
            reported_at: None,
        };
        let mut figures = Self {
            shown: Arc::new(Mutex::new(shown)),
            address: None,
            listener: None,
        };
        figures.listen(address);
        figures
    }

    /// Listens there from now on, or no longer.
    pub(super) fn listen(&mut self, address: Option<SocketAddr>) {
        if address == self.address {
            return;
        }
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        self.address = address;
        let Some(address) = address else {
            return;
        };
        let shown = Arc::clone(&self.shown);
        let listener = tokio::spawn(async move {
            // Figures are a convenience: an address that is taken must not keep the host from being watched.
            match pages::bind(address).await {
                Ok(listener) => {
                    info!(%address, "figures are answered at /metrics");
                    pages::serve(listener, move |asked| {
                        let page = page(&shown, &asked);
                        async move { page }
                    })
                    .await;
                }
                Err(error) => warn!(%error, %address, "no figures: the address cannot be used"),
            }
        });
        self.listener = Some(listener.abort_handle());
    }

    /// Shows these states from now on.
    pub(super) fn show(&self, states: &[ItemState], link: &Link, reported_at: Option<Timestamp>) {
        if self.address.is_none() {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.states = states.to_vec();
        shown.is_up = *link == Link::Up;
        shown.reported_at = reported_at;
    }
}

fn page(shown: &Mutex<Shown>, asked: &Asked) -> Option<Page> {
    if asked.path != "/metrics" {
        return None;
    }
    let format = Format::wanted(asked.accept.as_deref());
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
    Some(Page {
        content_type: format.content_type(),
        text: text(&shown, format),
    })
}

fn text(shown: &Shown, format: Format) -> String {
    let mut out = Exposition::new(format, MOST);
    let version = [([("version", shown.version.clone())], 1.0)];
    let help = "The version of the agent.";
    out.family("lockstep_agent_info", Kind::Gauge, help, version);
    out.single(
        "lockstep_agent_link_up",
        Kind::Gauge,
        "Whether the server took the last report.",
        f64::from(u8::from(shown.is_up)),
    );
    let reported = shown.reported_at.map_or(0.0, |at| at.as_second() as f64);
    out.single(
        "lockstep_agent_last_report_timestamp_seconds",
        Kind::Gauge,
        "When the server last took a report, in seconds since 1970; 0 for never.",
        reported,
    );
    let values = shown.states.iter().filter_map(|state| match &state.value {
        Value::Number { value, unit } if !state.no_data => {
            let labels = [("item", state.item.to_string()), ("unit", unit.clone())];
            Some((labels, *value))
        }
        _ => None,
    });
    let help = "The newest number of each item, in the unit of its label.";
    out.family("lockstep_item_value", Kind::Gauge, help, values);
    let levels = shown.states.iter().map(|state| {
        let labels = [("item", state.item.to_string())];
        (labels, f64::from(state.level.rank()))
    });
    let help = "The level of each item: 0 is the best, 4 the worst.";
    out.family("lockstep_item_level", Kind::Gauge, help, levels);
    out.finish()
}
