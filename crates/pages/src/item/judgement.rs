//! Why an item is judged as it is: what counts, and where that is said.

use lockstep_model::{Fitness, LevelNames, Op, Test};
use maud::{Markup, html};

use crate::chart::Threshold;

/// What counts for an item of a host. See `lockstep explain HOST ITEM`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// The groups of the host; the later ones count more.
    pub groups: Vec<String>,
    /// False if a fleet file is in force that does not ask for the item on this host.
    pub watched: bool,
    /// All that counts.
    pub keys: Vec<Said>,
}

/// One thing that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `watched`, `every`, `mean`, a level, or an option.
    pub key: String,
    /// What it is.
    pub value: String,
    /// File, line and character of the fleet file; none for what is built in.
    pub place: Option<String>,
}

/// Draws it.
pub(super) fn draw(judgement: &Judgement) -> Markup {
    html! {
        section #judgement .judgement aria-label="Why it is judged so" {
            h2 { "Why it is judged so" }
            @if !judgement.watched {
                p { "The fleet file does not ask for it on this host: neither the defaults nor a group nor the host names it." }
            } @else if judgement.keys.is_empty() {
                p { "The probe judges it itself." }
            } @else {
                @if !judgement.groups.is_empty() { p { "Groups of the host: " (judgement.groups.join(", ")) "." } }
                table {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Is" } th scope="col" { "Said in" } } }
                    tbody {
                        @for said in &judgement.keys {
                            tr {
                                th scope="row" { (said.key) }
                                td { code { (said.value) } }
                                td { @match &said.place { Some(place) => code { (place) }, None => "built-in default" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The values from which on a fitness function gives another level, as far as they are numbers. Conditions on other items
/// are left out: their numbers have another axis.
#[must_use]
pub fn thresholds(fitness: &Fitness, names: &LevelNames) -> Vec<Threshold> {
    let mut found = Vec::new();
    for rule in &fitness.rules {
        let ends = match &rule.when.test {
            Test::Compare { op, limit } if !matches!(op, Op::Unequal) => vec![limit.value],
            Test::Outside(range) => vec![range.from, range.to],
            _ => Vec::new(),
        };
        let ends = ends.into_iter().filter(|it| it.is_finite());
        found.extend(ends.map(|value| Threshold {
            level: rule.level,
            name: names.name(rule.level).into(),
            value,
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Condition, Level, LevelRule};

    use super::*;

    #[test]
    fn numbers_become_thresholds() {
        let rule = |level, when: &str| LevelRule {
            level,
            when: when.parse::<Condition>().unwrap(),
        };
        let fitness = Fitness {
            rules: vec![
                rule(Level::SICK, ">= 80% for 5m"),
                rule(Level::CRITICAL, "outside 10:20"),
                rule(Level::SOSO, "outside 5:"),
                rule(Level::DEAD, "none"),
                rule(Level::SICK, "!= 3"),
            ],
            mean: None,
        };
        let found = thresholds(&fitness, &LevelNames::default());
        let found: Vec<(&str, f64)> = found
            .iter()
            .map(|it| (it.name.as_str(), it.value))
            .collect();
        assert_eq!(
            found,
            [
                ("sick", 80.0),
                ("critical", 10.0),
                ("critical", 20.0),
                ("soso", 5.0)
            ]
        );
    }
}
