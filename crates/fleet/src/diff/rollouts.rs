//! What changes in how rollouts go, and in who follows what.

use std::collections::BTreeMap;

use lockstep_model::{Follow, Glob, HostName};

use super::Facts;
use crate::declared::FollowRule;
use crate::fleet::Fleet;
use crate::words::{follow_in_words, strategy_in_words};

impl Fleet {
    /// Strategies, channels, and rules about who follows what.
    pub(super) fn rollout_facts(&self) -> Facts {
        let mut facts = Facts::new();
        for (name, strategy) in self.strategies() {
            let words = strategy_in_words(strategy).into_iter();
            facts.extend(words.map(|(key, text)| (format!("strategy {name} {key}"), text)));
        }
        for (name, channel) in &self.declared.channels {
            facts.insert(format!("channel {name} strategy"), channel.strategy.clone());
        }
        for (name, rule) in &self.declared.follows {
            let words = rule_in_words(rule).into_iter();
            facts.extend(words.map(|(key, text)| (format!("follow {name} {key}"), text)));
        }
        facts
    }
}

/// What a host follows.
pub(super) fn followed(follows: &[Follow]) -> Facts {
    let facts = follows.iter();
    facts
        .map(|follow| {
            (
                format!("follows {}", follow.package),
                follow_in_words(follow),
            )
        })
        .collect()
}

/// A rule as it is written, with the keys that it has.
fn rule_in_words(rule: &FollowRule) -> BTreeMap<&'static str, String> {
    let join = |texts: Vec<&str>| texts.join(", ");
    let names = rule.members.names.iter().map(HostName::as_str);
    let globs = rule.members.globs.iter().map(Glob::as_str);
    let labels = rule.members.labels.iter();
    let labels = labels.map(|set| format!("{}={}", set.value.key, set.value.value));
    let pin = rule.follow.pin.as_ref().map(ToString::to_string);
    let words = BTreeMap::from([
        ("package", rule.follow.package.to_string()),
        ("channel", rule.follow.channel.to_string()),
        ("hosts", join(names.chain(globs).collect())),
        (
            "groups",
            join(rule.groups.iter().map(String::as_str).collect()),
        ),
        ("labels", labels.collect::<Vec<_>>().join(", ")),
        ("pin", pin.unwrap_or_default()),
        ("priority", rule.priority.to_string()),
    ]);
    let said = words.into_iter();
    said.filter(|(key, text)| !text.is_empty() && (*key, text.as_str()) != ("priority", "0"))
        .collect()
}
