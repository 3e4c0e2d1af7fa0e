//! `[channel.NAME]`: how rollouts of a channel go.
//!
//! * `strategy`: the name of a `[strategy.NAME]`; needed.

use std::collections::BTreeMap;

use lockstep_model::ChannelName;

use super::{Context, check_known};
use crate::declared::{Channel, NamedStrategy};
use crate::read::Field;

/// Most channels.
const MOST_CHANNELS: usize = 500;

/// All `[channel.NAME]`.
pub(super) fn all(
    context: &Context<'_>,
    strategies: &BTreeMap<String, NamedStrategy>,
) -> BTreeMap<ChannelName, Channel> {
    let mut channels = BTreeMap::new();
    for (index, field) in context.of("channel").enumerate() {
        if index >= MOST_CHANNELS {
            let message = format!("there are at most {MOST_CHANNELS} channels");
            context.faults.add(field.key_at, message);
            break;
        }
        let name = match ChannelName::parse(field.key) {
            Ok(name) => Some(name),
            Err(error) => {
                context.faults.add(field.key_at, error.to_string());
                None
            }
        };
        if let (Some(name), Some(channel)) = (name, channel(context, field, strategies)) {
            channels.insert(name, channel);
        }
    }
    channels
}

fn channel(
    context: &Context<'_>,
    field: &Field<'_>,
    strategies: &BTreeMap<String, NamedStrategy>,
) -> Option<Channel> {
    let mut section = field.section()?;
    let strategy = section.take("strategy");
    if strategy.is_none() {
        section.fault("a channel needs strategy: the name of a [strategy.NAME]");
    }
    let strategy = strategy.and_then(|field| field.text());
    section.finish();
    let strategy = strategy?;
    // One that has mistakes of its own is known all the same.
    let defined = context.of("strategy").map(|field| field.key);
    let known: Vec<&str> = strategies
        .keys()
        .map(String::as_str)
        .chain(defined)
        .collect();
    let mut known = known;
    known.sort_unstable();
    known.dedup();
    check_known(
        context,
        std::slice::from_ref(&strategy),
        "strategy",
        known.into_iter(),
    );
    Some(Channel {
        at: field.key_at,
        strategy: strategy.value,
    })
}
