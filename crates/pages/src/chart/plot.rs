//! Where things are on a drawing with two axes, and the axes themselves.

use jiff::Timestamp;
use maud::{Markup, html};

use super::path::c;
use super::scale::Scale;
use super::time;

/// How much room a drawing has. Both grow and shrink with what holds them; this is how much is put into them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Size {
    /// The width of a page.
    #[default]
    Wide,
    /// One of several beside each other.
    Small,
}

impl Size {
    pub(super) fn width(self) -> f64 {
        match self {
            Self::Wide => 640.0,
            Self::Small => 320.0,
        }
    }

    pub(super) fn height(self) -> f64 {
        match self {
            Self::Wide => 240.0,
            Self::Small => 150.0,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Wide => "chart wide",
            Self::Small => "chart small",
        }
    }

    /// Most columns, and thereby pointer values. It bounds what is sent.
    pub(super) fn most_columns(self) -> i64 {
        match self {
            Self::Wide => 200,
            Self::Small => 80,
        }
    }

    pub(super) fn value_ticks(self) -> usize {
        match self {
            Self::Wide => 6,
            Self::Small => 4,
        }
    }

    fn time_ticks(self) -> usize {
        match self {
            Self::Wide => 8,
            Self::Small => 4,
        }
    }
}

/// Turns moments and values into places.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    pub(super) size: Size,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) scale: &'a Scale,
}

impl<'a> Plot<'a> {
    pub(super) fn new(size: Size, from: Timestamp, to: Timestamp, scale: &'a Scale) -> Self {
        let (left, right, top, bottom) = match size {
            Size::Wide => (70.0, 8.0, 26.0, 30.0),
            Size::Small => (58.0, 6.0, 18.0, 22.0),
        };
        Self {
            size,
            left,
            right: size.width() - right,
            top,
            bottom: size.height() - bottom,
            from: from.min(to),
            to: from.max(to),
            scale,
        }
    }

    /// Where a moment lies; what is outside lies at the edge.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        self.x_of_ms(at.as_millisecond())
    }

    pub(super) fn x_of_ms(&self, at: i64) -> f64 {
        let from = self.from.as_millisecond();
        let span = self.to.as_millisecond().saturating_sub(from).max(1);
        let place = at.saturating_sub(from) as f64 / span as f64;
        self.left + (self.right - self.left) * place.clamp(0.0, 1.0)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * self.scale.place(value)
    }

    pub(super) fn holds(&self, at: Timestamp) -> bool {
        (self.from..=self.to).contains(&at)
    }

    pub(super) fn view_box(&self) -> String {
        format!("0 0 {} {}", self.size.width(), self.size.height())
    }

    /// Lines across, with their values; ticks below, with their times.
    pub(super) fn axes(&self) -> Markup {
        let letters = self.half_letter();
        html! {
            g class="axis values" {
                @for value in self.scale.ticks() {
                    @let y = self.y(value);
                    path class="grid" d={ "M" (c(self.left)) " " (c(y)) "H" (c(self.right)) } {}
                    text class="tick" x=(c(self.left - 6.0)) y=(c(y + letters)) text-anchor="end" {
                        (self.scale.label(value))
                    }
                }
            }
            (self.axis_of_times())
        }
    }

    /// Ticks below, with their times. Every other one has the class `second`: there is no room for it on a phone.
    pub(super) fn axis_of_times(&self) -> Markup {
        let below = f64::midpoint(self.bottom + 5.0, self.size.height()) + self.half_letter();
        html! {
            g class="axis times" {
                @for (index, tick) in time::ticks(self.from, self.to, self.size.time_ticks()).iter().enumerate() {
                    @let x = self.x(tick.at);
                    path class="rule" d={ "M" (c(x)) " " (c(self.bottom)) "v5" } {}
                    text class={ "tick" @if index % 2 == 1 { " second" } }
                        x=(c(x)) y=(c(below)) text-anchor=(self.anchor(x))
                        data-at=(time::stamp(tick.at)) data-form=(tick.form.as_str()) {
                        (tick.words)
                    }
                }
            }
        }
    }

    fn half_letter(&self) -> f64 {
        match self.size {
            Size::Wide => 4.0,
            Size::Small => 3.5,
        }
    }

    /// Words beside the edge do not hang over it.
    fn anchor(&self, x: f64) -> &'static str {
        if x + 26.0 > self.size.width() {
            "end"
        } else {
            "middle"
        }
    }

    /// The frame without anything in it but a sentence.
    pub(super) fn sentence(&self, words: &str) -> Markup {
        html! {
            rect class="paper" x=(c(self.left)) y=(c(self.top))
                width=(c(self.right - self.left)) height=(c(self.bottom - self.top)) {}
            text class="nothing" x=(c(f64::midpoint(self.left, self.right)))
                y=(c(f64::midpoint(self.top, self.bottom))) text-anchor="middle" { (words) }
        }
    }
}
