//! Why an item is judged as it is, from the fleet file in force or from what is built in.

use lockstep_model::{
    Condition, Fitness, HostName, ItemName, Level, LevelNames, LevelRule, Op, Role, Test, Value,
};
use lockstep_pages::chart::Threshold;
use lockstep_pages::item::{Judgement, Said, thresholds};
use lockstep_plan::fitness::default_for;

use crate::app::App;

/// What counts for an item of a host.
#[derive(Debug)]
pub(in crate::pages) struct Judged {
    pub(in crate::pages) judgement: Judgement,
    pub(in crate::pages) thresholds: Vec<Threshold>,
}

/// Options of the fleet file are for operators, as its text is; what makes the levels is for everybody.
const FOR_ALL: [&str; 5] = ["watched", "every", "timeout", "mean", "fitness"];

/// Looks it up.
pub(in crate::pages) fn of(
    app: &App,
    host: &HostName,
    item: &ItemName,
    role: Role,
    names: &LevelNames,
) -> Judged {
    let Some(accepted) = app.fleet.accepted() else {
        return built_in(item, names);
    };
    let explained = accepted.fleet.explain(host, item);
    let mut fitness = Fitness::default();
    let mut keys = Vec::new();
    for key in explained.keys {
        let level = names.level(&key.key);
        if let Some(level) = level
            && let Ok(when) = key.value.parse::<Condition>()
        {
            fitness.rules.push(LevelRule { level, when });
        }
        if level.is_some() || role >= Role::Operator || FOR_ALL.contains(&key.key.as_str()) {
            keys.push(Said {
                key: key.key,
                value: key.value,
                place: key.place.map(|it| it.to_string()),
            });
        }
    }
    Judged {
        judgement: Judgement {
            groups: explained.groups,
            watched: explained.watched,
            keys,
        },
        thresholds: thresholds(&fitness, names),
    }
}

/// Without a fleet file.
fn built_in(item: &ItemName, names: &LevelNames) -> Judged {
    let nothing = Fitness::default();
    let fitness = default_for(item.probe()).unwrap_or(&nothing);
    let said = |key: &str, value: String| Said {
        key: key.into(),
        value,
        place: None,
    };
    let mean = fitness.mean.map(|mean| said("mean", mean.to_string()));
    let rules = fitness.rules.iter();
    let rules = rules.map(|rule| said(names.name(rule.level), rule.when.to_string()));
    Judged {
        judgement: Judgement {
            groups: Vec::new(),
            watched: true,
            keys: mean.into_iter().chain(rules).collect(),
        },
        thresholds: thresholds(fitness, names),
    }
}

/// How bad a value of an item is, among those of one level: the greater the worse. Where the built-in function says that
/// little is bad, it is the other way round. What is no number is the least bad.
pub(super) fn badness(item: &ItemName) -> impl Fn(&Value) -> f64 + use<> {
    let rules = default_for(item.probe()).map_or(&[][..], |it| &it.rules);
    let mut numbers = rules.iter().filter(|it| it.level > Level::FINE);
    let less_is_worse = numbers.any(|rule| {
        matches!(
            rule.when.test,
            Test::Compare {
                op: Op::Below | Op::AtMost,
                ..
            }
        )
    });
    move |value| match value {
        Value::Number { value, .. } if less_is_worse => -value,
        Value::Number { value, .. } => *value,
        Value::Text(_) | Value::None(_) => f64::NEG_INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> Value {
        Value::Number {
            value,
            unit: "%".into(),
        }
    }

    #[test]
    fn what_is_built_in_is_said_with_its_numbers() {
        let item = ItemName::parse("disk_usage:/").unwrap();
        let judged = built_in(&item, &LevelNames::default());
        assert!(judged.judgement.watched);
        assert!(judged.judgement.keys.iter().all(|it| it.place.is_none()));
        assert!(
            judged
                .thresholds
                .iter()
                .any(|it| it.name == "critical" && it.value > 50.0)
        );
        let unknown = built_in(
            &ItemName::parse("my_plugin").unwrap(),
            &LevelNames::default(),
        );
        assert!(unknown.judgement.keys.is_empty() && unknown.thresholds.is_empty());
    }

    #[test]
    fn little_may_be_bad() {
        let usage = badness(&ItemName::parse("disk_usage:/").unwrap());
        assert!(usage(&number(90.0)) > usage(&number(10.0)));
        let available = badness(&ItemName::parse("memory_available").unwrap());
        assert!(available(&number(10.0)) > available(&number(90.0)));
        assert!(usage(&Value::None("x".into())) < usage(&number(-1e9)));
    }
}
