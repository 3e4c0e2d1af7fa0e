//! Locks, packages and rollouts in words, each key by itself.

use std::collections::BTreeMap;

use lockstep_model::{ContentHash, Follow, LevelNames, LockRule, Need, PackageRule, Strategy};
use serde_json::Value;

/// What is said of a lock, by key. Levels are called as the fleet calls them.
#[must_use]
pub fn lock_in_words(rule: &LockRule, levels: &LevelNames) -> BTreeMap<&'static str, String> {
    let mut words = BTreeMap::from([("capacity", rule.capacity.to_string())]);
    let mut counts = vec!["holders".to_owned()];
    counts.extend(rule.counts.silent.then(|| "silent".into()));
    counts.extend(rule.counts.running.then(|| "running".into()));
    let level = rule.counts.level;
    counts.extend(level.map(|level| format!(">= {}", levels.name(level))));
    if counts.len() > 1 {
        words.insert("counts", counts.join(", "));
    }
    if !rule.needs.is_empty() {
        let needs: Vec<String> = rule.needs.iter().map(|it| need(it, levels)).collect();
        words.insert("needs", needs.join(", and "));
    }
    words.extend(rule.group.clone().map(|group| ("group", group)));
    words.extend(rule.lease.map(|lease| ("lease", lease.to_string())));
    words.extend(rule.disabled.clone().map(|why| ("disabled", why)));
    words
}

fn need(need: &Need, levels: &LevelNames) -> String {
    let parts = need.0.iter().map(|part| {
        let level = levels.name(part.level);
        format!("{} of {} {level}", part.share, part.group)
    });
    parts.collect::<Vec<_>>().join(" or ")
}

/// What is said of a package, by key. A key is named by its fingerprint.
#[must_use]
pub fn package_in_words(rule: &PackageRule) -> BTreeMap<&'static str, String> {
    let mut words = BTreeMap::from([
        ("every", rule.every.to_string()),
        ("spread", rule.spread.to_string()),
    ]);
    let texts = [
        ("version", rule.version.as_ref().map(ToString::to_string)),
        ("published", rule.published.clone()),
        ("service", rule.service.clone()),
        ("idle_lock", rule.idle_lock.clone()),
        ("lock", rule.lock.as_ref().map(ToString::to_string)),
        ("hours", rule.hours.as_ref().map(ToString::to_string)),
    ];
    words.extend(
        texts
            .into_iter()
            .filter_map(|(key, text)| Some((key, text?))),
    );
    let signed = |key: &str| format!("signed by key {}", fingerprint(key));
    if let Some(apt) = &rule.sources.apt {
        let mut parts = vec![apt.uri.clone(), apt.suite.clone()];
        parts.extend(apt.components.iter().cloned());
        words.insert("apt", format!("{} {}", parts.join(" "), signed(&apt.key)));
    }
    if let Some(dnf) = &rule.sources.dnf {
        let metadata = if dnf.signed_metadata {
            ", metadata too"
        } else {
            ""
        };
        words.insert(
            "dnf",
            format!("{} {}{metadata}", dnf.baseurl, signed(&dnf.key)),
        );
    }
    words
}

/// What is said of a strategy, by key, as it would be written. What is left out of a strategy is left out here.
#[must_use]
pub fn strategy_in_words(strategy: &Strategy) -> BTreeMap<String, String> {
    let Ok(Value::Object(keys)) = serde_json::to_value(strategy) else {
        return BTreeMap::new();
    };
    let in_words = |value: Value| match value {
        Value::String(text) => text,
        Value::Array(list) => {
            let texts = list.iter().map(|entry| match entry {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            texts.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let words = keys.into_iter().map(|(key, value)| (key, in_words(value)));
    words.filter(|(_, text)| !text.is_empty()).collect()
}

/// What a host does for a package that it follows: `channel beta`, or `channel beta, held at 1.4.2`.
#[must_use]
pub fn follow_in_words(follow: &Follow) -> String {
    match &follow.pin {
        Some(version) => format!("channel {}, held at {version}", follow.channel),
        None => format!("channel {}", follow.channel),
    }
}

/// As a host permits it in its `agent.toml`: the hash of the armoured key without blank lines around it.
fn fingerprint(key: &str) -> ContentHash {
    ContentHash::of(key.trim().as_bytes())
}
