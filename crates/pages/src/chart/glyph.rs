//! Signs that are told apart without colour: one for each level, and one for each kind of marker.

use lockstep_model::Level;
use maud::{Markup, html};

use super::path::c;

/// The sign of a level about a point: a dot, a ring, a triangle, a diamond, a cross; a broken ring for no data.
pub(super) fn of_level(level: Option<Level>, x: f64, y: f64) -> Markup {
    let class = format!("glyph {}", class_of(level));
    match level.map(Level::rank) {
        None => {
            html! { circle class=(class) cx=(c(x)) cy=(c(y)) r="3.5" fill="none" stroke-dasharray="2 2" {} }
        }
        Some(0) => html! { circle class=(class) cx=(c(x)) cy=(c(y)) r="3.5" {} },
        Some(1) => html! { circle class=(class) cx=(c(x)) cy=(c(y)) r="3.5" fill="none" {} },
        Some(2) => html! { path class=(class) d={ (start(x, y - 4.5)) "l4.5 8h-9z" } {} },
        Some(3) => html! { path class=(class) d={ (start(x, y - 5.0)) "l5 5l-5 5l-5-5z" } {} },
        Some(_) => {
            html! { path class=(class) d={ (start(x - 4.0, y - 4.0)) "l8 8m0-8l-8 8" } fill="none" {} }
        }
    }
}

/// The class by which the style sheet knows a level.
pub(super) fn class_of(level: Option<Level>) -> String {
    match level {
        Some(level) => format!("level-{}", level.rank().min(Level::DEAD.rank())),
        None => "level-none".into(),
    }
}

fn start(x: f64, y: f64) -> String {
    format!("M{} {}", c(x), c(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_its_own_sign() {
        let mut shapes: Vec<String> = Level::ALL
            .into_iter()
            .map(Some)
            .chain([None])
            .map(|level| {
                let sign = of_level(level, 10.0, 10.0).into_string();
                sign.replace(&class_of(level), "")
            })
            .collect();
        shapes.sort();
        shapes.dedup();
        assert_eq!(shapes.len(), 6);
    }
}
