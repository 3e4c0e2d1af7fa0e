//! The strip of figures above every page: is anything wrong, is anybody on it, is something being changed?

use jiff::Timestamp;
use lockstep_model::api::operator::HealthPart;
use lockstep_model::{Level, LevelNames, PackageName, RolloutId, RolloutState, Version};
use maud::{Markup, html};

use crate::parts::level::glyph;

/// The figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strip {
    /// When they were read.
    pub at: Timestamp,
    /// Hosts by the worst of their items, best level first.
    pub levels: [usize; 5],
    /// Of those, hosts of which nothing is heard.
    pub silent: usize,
    /// Problems that nobody is on and nothing explains.
    pub unhandled: usize,
    /// Hosts that a run is changing.
    pub in_change: usize,
    /// Rollouts that are not over.
    pub rollouts: Vec<RolloutChip>,
    /// Runs that have stopped and wait for a person.
    pub stopped_runs: usize,
    /// True if updates are switched off.
    pub updates_off: bool,
    /// True if the newest fleet file was refused.
    pub fleet_refused: bool,
    /// When the newest report came.
    pub newest_report: Option<Timestamp>,
    /// How the server itself stands, part by part; nothing is said of one of which nothing is known.
    pub health: Vec<HealthPart>,
}

/// A rollout in the strip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutChip {
    /// Its number.
    pub id: RolloutId,
    /// The package.
    pub package: PackageName,
    /// The version it brings.
    pub version: Version,
    /// Where it stands.
    pub state: RolloutState,
}

/// Rollouts that the strip names; more are a number.
const MOST_CHIPS: usize = 3;

impl Strip {
    /// All hosts.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.levels.iter().sum()
    }

    /// The server's own health: a shape, a word, and what is wrong.
    fn server(&self) -> Markup {
        let Some(worst) = self.health.iter().max_by_key(|it| it.level) else {
            return Markup::default();
        };
        let wrong: Vec<_> = self
            .health
            .iter()
            .filter(|it| it.level > Level::FINE)
            .collect();
        let words = self
            .health
            .iter()
            .map(|it| format!("{}: {}", it.part, it.words));
        let words = words.collect::<Vec<_>>().join("\n");
        html! {
            li { a .health .warn[worst.level >= Level::SICK] .{ "level-" (worst.level.rank()) } href="/admin#health" title=(words) {
                (glyph(worst.level)) " server"
                @if let [first, rest @ ..] = wrong.as_slice() {
                    ": " b { (first.part) }
                    @if !rest.is_empty() { " and " (rest.len()) " more" }
                }
            } }
        }
    }

    pub(crate) fn draw(&self, names: &LevelNames) -> Markup {
        html! {
            section #strip .strip data-live aria-label="The fleet now" {
                ul {
                    @for level in Level::ALL.into_iter().rev() {
                        @let count = self.levels[usize::from(level.rank())];
                        li { a href={ "/hosts?level=" (level.rank()) } .none[count == 0] .{ "level-" (level.rank()) } {
                            (glyph(level)) " " b { (count) } " " (names.name(level))
                        } }
                    }
                    li .of { "of " (self.hosts()) " hosts" }
                    @if self.silent > 0 { li { a href="/hosts?silent=true" { b { (self.silent) } " silent" } } }
                    li { a href="/" .none[self.unhandled == 0] { b { (self.unhandled) } " unhandled" } }
                    li { a href="/hosts?in_run=true" .none[self.in_change == 0] { b { (self.in_change) } " in change" } }
                    @if self.stopped_runs > 0 {
                        li { a .warn href="/runs?stopped=true" { b { (self.stopped_runs) } " stopped runs" } }
                    }
                    @if self.updates_off { li { a .warn href="/admin" { "updates are off" } } }
                    @if self.fleet_refused { li { a .warn href="/admin/fleet" { "fleet file refused" } } }
                    (self.server())
                    @for chip in self.rollouts.iter().take(MOST_CHIPS) {
                        li { a .chip href={ "/rollouts/" (chip.id) } {
                            (chip.package) " " (chip.version) " " b { (chip.state) }
                        } }
                    }
                    @if self.rollouts.len() > MOST_CHIPS {
                        li { a href="/rollouts" { (self.rollouts.len() - MOST_CHIPS) " more rollouts" } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: &str, level: Level) -> HealthPart {
        HealthPart {
            part: part.into(),
            level,
            words: format!("<{part}>"),
        }
    }

    #[test]
    fn the_servers_health_has_a_shape_and_words() {
        let draw = |health: Vec<HealthPart>| {
            Strip {
                health,
                ..Strip::default()
            }
            .draw(&LevelNames::default())
            .0
        };
        assert!(!draw(Vec::new()).contains("server"), "nothing is known");
        let fine = draw(vec![
            part("database", Level::FINE),
            part("disk", Level::FINE),
        ]);
        assert!(
            fine.contains(" server</a>") && fine.contains("disk: &lt;disk&gt;"),
            "{fine}"
        );
        let page = draw(vec![
            part("database", Level::FINE),
            part("decider", Level::CRITICAL),
            part("backup", Level::SOSO),
        ]);
        assert!(
            page.contains("server: <b>decider</b> and 1 more")
                && page.contains("health level-3 warn"),
            "{page}"
        );
    }
}
