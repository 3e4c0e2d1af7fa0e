//! Levels: a shape, a word and a colour, in that order of weight. The shapes differ without any colour (WCAG 1.4.1).

use lockstep_model::{Level, LevelNames, Pending};
use maud::{Markup, html};

/// The shape of a level: a full circle, a ring, a triangle, a diamond, a cross.
#[must_use]
pub fn shape(level: Level) -> &'static str {
    match level.rank() {
        0 => "●",
        1 => "○",
        2 => "▲",
        3 => "◆",
        _ => "✖",
    }
}

/// The shape, for those who see it; the word beside it is for everybody.
#[must_use]
pub fn glyph(level: Level) -> Markup {
    html! { span .glyph .{ "level-" (level.rank()) } aria-hidden="true" { (shape(level)) } }
}

/// Shape and word.
#[must_use]
pub fn badge(level: Level, names: &LevelNames) -> Markup {
    html! { span .badge .{ "level-" (level.rank()) } { (glyph(level)) " " (names.name(level)) } }
}

/// Which level comes next, and when: "sick in 3m".
#[must_use]
pub fn next(pending: &Pending, names: &LevelNames) -> String {
    format!("{} {}", names.name(pending.to), pending.lacks)
}

/// The shape alone, with the word for those who do not see it, where there is no room for more.
#[must_use]
pub fn dot(level: Level, names: &LevelNames) -> Markup {
    html! {
        span .dot .{ "level-" (level.rank()) } title=(names.name(level)) {
            (glyph(level)) span .unseen { (names.name(level)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_a_shape_of_its_own_and_its_word() {
        let shapes: std::collections::BTreeSet<_> = Level::ALL.into_iter().map(shape).collect();
        assert_eq!(shapes.len(), 5);
        let names = LevelNames::default();
        for level in Level::ALL {
            assert!(badge(level, &names).0.contains(level.name()));
            assert!(dot(level, &names).0.contains(level.name()));
        }
    }
}
