//! How well hosts kept up with what their channel said: a drawing, and the same by days.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{ChannelName, RolloutId};
use maud::{Markup, html};

use crate::chart::{Curve, Marker, MarkerKind, Size, Step, curve, number};
use crate::rollouts::path;

/// A drawing is at least so long.
const LEAST: SignedDuration = SignedDuration::from_mins(1);

/// How the hosts of one channel kept up with it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptUp {
    /// The channel.
    pub channel: ChannelName,
    /// From each of these times on, the share of the hosts that ran what the channel said, proven; from 0 to 1.
    pub course: Vec<(Timestamp, f64)>,
    /// The same at the end of each day, the oldest first, and now.
    pub daily: Vec<(Timestamp, f64)>,
    /// The rollouts that began in that time, and when.
    pub rollouts: Vec<(RolloutId, Timestamp)>,
}

/// A section for the channels that have been promoted to.
pub(super) fn section(channels: &[KeptUp], now: Timestamp) -> Markup {
    let told = || channels.iter().filter(|it| !it.course.is_empty());
    html! {
        @if told().next().is_some() {
            section #kept-up data-live aria-labelledby="kept-up-title" {
                h2 #kept-up-title { "How well hosts kept up" }
                p .muted { "The share of a rollout's hosts that ran its version, proven, until the next rollout began; from what hosts "
                    "told of their runs, for at most 30 days. Each rollout begins where nobody has it yet." }
                @for (index, it) in told().enumerate() { (one(index, it, now)) }
            }
        }
    }
}

fn one(index: usize, it: &KeptUp, now: Timestamp) -> Markup {
    let from = it.course.first().map_or(now, |point| point.0);
    let steps: Vec<Step> = it
        .course
        .iter()
        .map(|&(at, share)| Step { at, share })
        .collect();
    let markers: Vec<Marker> = it
        .rollouts
        .iter()
        .map(|(id, at)| Marker {
            at: *at,
            kind: MarkerKind::Release,
            words: format!("rollout {id} began"),
            href: path(*id),
        })
        .collect();
    let title = format!("Share of hosts that ran what {} said", it.channel);
    html! {
        h3 { span .channel { (it.channel) } }
        (curve(&Curve {
            id: &format!("kept-up-{index}"),
            title: &title,
            from,
            to: now.max(from.checked_add(LEAST).unwrap_or(from)),
            now,
            real: &steps,
            simulated: None,
            waves: &[],
            markers: &markers,
            size: Size::Wide,
        }))
        details {
            summary { "By days" }
            table {
                caption .unseen { (title) " at the end of each day" }
                thead { tr { th scope="col" { "Until" } th scope="col" { "Share" } } }
                tbody { @for (at, share) in it.daily.iter().rev() {
                    tr { td { (crate::parts::time::moment(*at)) } td .number { (number::share(*share)) } }
                } }
            }
        }
    }
}
