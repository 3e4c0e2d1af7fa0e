//! A fitness function in words, for those who want to know what would make an item ill.

use lockstep_model::{Condition, Fitness, Level, LevelNames, Test};

use super::item::BLIND;
use super::why::{Words, figure, for_hold, phrase};

/// What a function means, one sentence for each of its rules, the best level first.
#[must_use]
pub fn describe(fitness: &Fitness, levels: &LevelNames) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(mean) = fitness.mean {
        lines.push(format!("numbers are judged by their mean over {mean}"));
    }
    let mut rules: Vec<_> = fitness.rules.iter().collect();
    rules.sort_by_key(|rule| rule.level);
    for rule in &rules {
        lines.push(format!(
            "{}: {}",
            levels.name(rule.level),
            sentence(&rule.when)
        ));
    }
    if !rules.iter().any(|rule| rule.when.test == Test::None) {
        let soso = levels.name(Level::SOSO);
        lines.push(format!(
            "{soso} at least: it has no value for {BLIND} samples in a row"
        ));
    }
    lines
}

fn sentence(when: &Condition) -> String {
    let mut words = format!("it {}", phrase(&when.test, None));
    for (probe, test) in &when.and {
        words.push_str(&format!(
            " and {probe}, if that is watched, {}",
            phrase(test, None)
        ));
    }
    words.push_str(&for_hold(when.hold));
    match (&when.clear, &when.test) {
        (Some(clear), Test::Compare { op, .. }) => {
            let behind = format!(
                "; left when it is {} {}",
                op.opposite(),
                figure(clear, None)
            );
            words.push_str(&behind);
        }
        _ if when.after.is_some() => words.push_str("; left when that is over"),
        _ => {}
    }
    if let Some(after) = &when.after {
        words.push_str(&format!(" for {after}"));
    }
    words
}
