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

/// The level of a rank, as addresses and forms have it.
///
/// # Errors
/// In words, if there is none of this rank.
pub fn of_rank(text: &str) -> Result<Level, String> {
    let rank = text.parse::<usize>().ok();
    let level = rank.and_then(|rank| Level::ALL.get(rank)).copied();
    level.ok_or_else(|| "level: a rank from 0, the best, to 4, the worst, is expected".into())
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
    fn a_rank_names_a_level() {
        for level in Level::ALL {
            assert_eq!(of_rank(&level.rank().to_string()), Ok(level));
        }
        for wrong in ["5", "-1", "sick", ""] {
            assert!(of_rank(wrong).unwrap_err().starts_with("level:"), "{wrong}");
        }
    }

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
