//! Why an item is watched and judged on a host as it is: which line of which file said it.

use std::fmt;

use lockstep_model::{Glob, HostName, ItemName, Setting};
use lockstep_plan::fitness::default_for;
use serde::Serialize;

use crate::compile::Resolved;
use crate::fleet::Fleet;
use crate::pattern;
use crate::source::Place;

/// What counts for one item of one host, and by whose word.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The host.
    pub host: HostName,
    /// The item.
    pub item: ItemName,
    /// The groups of the host; the later ones count more.
    pub groups: Vec<String>,
    /// The host that watches this one, if it has no agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<HostName>,
    /// False if the item is not watched there. Then no keys are explained.
    pub watched: bool,
    /// All that counts.
    pub keys: Vec<Explained>,
}

/// One thing that counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// `watched`, `every`, `timeout`, `mean`, a level, or an option.
    pub key: String,
    /// What it is.
    pub value: String,
    /// Where that is said; none for what is built in.
    pub place: Option<Place>,
}

impl Fleet {
    /// Says for an item of a host what counts, and where it is said.
    #[must_use]
    pub fn explain(&self, host: &HostName, item: &ItemName) -> Explanation {
        let kin = self.kin(host);
        let rules = self.rules(&kin);
        let watched = self.watched(&kin, &rules);
        // The entry that the host goes by, see Work::entry.
        let entry = watched
            .iter()
            .filter(|(name, _)| name.matches(item.as_str()))
            .max_by_key(|(name, _)| (name.is_plain(), name.weight()));
        let mut keys = Vec::new();
        if let Some((name, said)) = entry {
            let place = said.map(|at| self.sources.place(at));
            keys.push(explained("watched", name, place));
            let resolved = self.resolve(&kin, &rules, name);
            self.times(&kin, &resolved, &mut keys);
            self.judgement(name, &resolved, &mut keys);
            for (key, set) in &resolved.options {
                let place = Some(self.sources.place(set.at));
                keys.push(explained(key, shown(&set.value), place));
            }
        }
        Explanation {
            host: host.clone(),
            item: item.clone(),
            groups: kin
                .groups
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            via: self.watcher_of(host).cloned(),
            watched: entry.is_some(),
            keys,
        }
    }

    fn times(
        &self,
        kin: &crate::fleet::Kin<'_>,
        resolved: &Resolved<'_>,
        keys: &mut Vec<Explained>,
    ) {
        let every = resolved.every.or_else(|| kin.sample());
        // A host without an agent is sampled in the rhythm of the one that watches it.
        let every = every.or_else(|| {
            let watcher = kin.host?.dumb.as_ref()?;
            self.kin(&watcher.via.value).sample()
        });
        let every = every.or(self.declared.defaults.sample.as_ref());
        let built_in = lockstep_model::Work::default().sample;
        keys.push(explained(
            "every",
            every.map_or(built_in, |set| set.value),
            every.map(|set| self.sources.place(set.at)),
        ));
        keys.push(match resolved.timeout {
            Some(set) => explained("timeout", set.value, Some(self.sources.place(set.at))),
            None => explained("timeout", "the probe's own", None),
        });
    }

    fn judgement(&self, name: &Glob, resolved: &Resolved<'_>, keys: &mut Vec<Explained>) {
        let Some(set) = resolved.fitness else {
            match default_for(pattern::probe(name)) {
                Some(fitness) => {
                    keys.extend(fitness.mean.map(|mean| explained("mean", mean, None)));
                    for rule in &fitness.rules {
                        keys.push(explained(self.levels().name(rule.level), &rule.when, None));
                    }
                }
                None => keys.push(explained("fitness", "the probe's own judgement", None)),
            }
            return;
        };
        let judgement = &set.value;
        if let (Some(mean), Some(at)) = (judgement.fitness.mean, judgement.mean_at) {
            keys.push(explained("mean", mean, Some(self.sources.place(at))));
        }
        for (rule, at) in judgement.fitness.rules.iter().zip(&judgement.rules_at) {
            let level = self.levels().name(rule.level);
            keys.push(explained(level, &rule.when, Some(self.sources.place(*at))));
        }
    }
}

fn explained(key: &str, value: impl ToString, place: Option<Place>) -> Explained {
    Explained {
        key: key.into(),
        value: value.to_string(),
        place,
    }
}

/// An option as it is written in the file.
pub(crate) fn shown(setting: &Setting) -> String {
    match setting {
        Setting::Flag(flag) => flag.to_string(),
        Setting::Number(number) => number.to_string(),
        Setting::Text(text) => format!("{text:?}"),
        Setting::List(texts) => format!("{texts:?}"),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.item, self.host)?;
        if let Some(via) = &self.via {
            write!(f, ", watched by {via}")?;
        }
        match self.groups.as_slice() {
            [] => write!(f, ", which is in no group")?,
            [one] => write!(f, ", which is in group {one}")?,
            groups => write!(f, ", which is in groups {}", groups.join(", "))?,
        }
        if !self.watched {
            return write!(
                f,
                "\nis not watched: neither the defaults nor a group nor the host names it in items"
            );
        }
        let width = |text: fn(&Explained) -> &str| {
            let widths = self.keys.iter().map(|key| text(key).chars().count());
            widths.max().unwrap_or_default()
        };
        let (key, value) = (width(|it| &it.key), width(|it| &it.value).min(60));
        for it in &self.keys {
            let said = match &it.place {
                Some(place) => place.to_string(),
                None => "built-in default".into(),
            };
            write!(f, "\n  {:key$}  {:value$}  {said}", it.key, it.value)?;
        }
        Ok(())
    }
}
