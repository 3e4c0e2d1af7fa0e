//! How many events came when: a cell for each stretch of time, the darker and the closer hatched the more there were.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::Level;
use maud::{Markup, html};

use super::glyph::class_of;
use super::number;
use super::path::c;
use super::time;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 44.0;
/// The cells themselves.
const TOP: f64 = 2.0;
const BOTTOM: f64 = 28.0;
/// Most cells.
const MOST: usize = 96;
/// Shades, and thereby hatchings, besides none.
const SHADES: u64 = 4;
/// A cell that is at least so wide has its count in it.
const ROOM_FOR_COUNT: f64 = 18.0;

/// What is drawn.
#[derive(Debug)]
pub struct Strip<'a> {
    /// Distinguishes it from others on its page: letters, digits and `-`.
    pub id: &'a str,
    /// What it shows, as in `events of the last 24 hours`.
    pub title: &'a str,
    /// The cells, oldest first; at most 96 are drawn.
    pub cells: &'a [Cell],
}

/// A stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// How many events there were.
    pub count: u64,
    /// The worst level that one of them led to.
    pub worst: Option<Level>,
    /// Where they are listed.
    pub href: Option<String>,
}

/// Counts events in cells of equal length. What is outside of the time does not count.
#[must_use]
pub fn density(
    events: impl IntoIterator<Item = (Timestamp, Level)>,
    from: Timestamp,
    to: Timestamp,
    cells: u32,
) -> Vec<Cell> {
    let cells = cells.clamp(1, MOST as u32);
    let (begin, end) = (from.as_millisecond(), to.as_millisecond());
    let span = i128::from(end) - i128::from(begin);
    if span <= 0 {
        return Vec::new();
    }
    let border = |cell: u32| {
        let after = span * i128::from(cell) / i128::from(cells);
        let after = SignedDuration::from_millis(i64::try_from(after).unwrap_or(i64::MAX));
        from.checked_add(after).unwrap_or(to)
    };
    let mut counted: Vec<Cell> = (0..cells)
        .map(|cell| Cell {
            from: border(cell),
            to: border(cell + 1),
            count: 0,
            worst: None,
            href: None,
        })
        .collect();
    for (at, level) in events {
        let after = i128::from(at.as_millisecond()) - i128::from(begin);
        let place = usize::try_from(after * i128::from(cells) / span).ok();
        let inside = after >= 0 && after < span;
        if let Some(cell) = place.filter(|_| inside).and_then(|it| counted.get_mut(it)) {
            cell.count = cell.count.saturating_add(1);
            cell.worst = cell.worst.max(Some(level));
        }
    }
    counted
}

/// Draws a strip. Each cell is a link where it has an address.
#[must_use]
pub fn strip(strip: &Strip<'_>) -> Markup {
    let cells = &strip.cells[..strip.cells.len().min(MOST)];
    let most = cells.iter().map(|it| it.count).max().unwrap_or(0);
    let width = WIDTH / cells.len().max(1) as f64;
    let id = strip.id;
    html! {
        svg class="chart density" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="group"
            aria-labelledby={ (id) "-title " (id) "-words" } {
            title id={ (id) "-title" } { (strip.title) }
            desc id={ (id) "-words" } { (describe(cells)) }
            @for (index, cell) in cells.iter().enumerate() {
                @let x = width * index as f64;
                @match cell.href.as_deref().filter(|_| cell.count > 0) {
                    Some(href) => a href=(href) { (draw(cell, x, width, most)) },
                    None => g { (draw(cell, x, width, most)) },
                }
            }
            @if let (Some(first), Some(last)) = (cells.first(), cells.last()) {
                g class="axis times" {
                    @for tick in time::ticks(first.from, last.to, 8) {
                        @let x = place(tick.at, first.from, last.to);
                        path class="rule" d={ "M" (c(x)) " " (c(BOTTOM)) "v4" } {}
                        text class="tick" x=(c(x)) y=(c(HEIGHT - 2.0)) text-anchor=(anchor(x))
                            data-at=(time::stamp(tick.at)) data-form=(tick.form.as_str()) { (tick.words) }
                    }
                }
            }
        }
    }
}

fn draw(cell: &Cell, x: f64, width: f64, most: u64) -> Markup {
    let shade = shade(cell.count, most);
    let room = (width - 1.0).max(0.5);
    html! {
        title { (words(cell)) }
        rect class={ "cell heat-" (shade) " " (class_of(cell.worst)) } x=(c(x)) y=(c(TOP)) width=(c(room)) height=(c(BOTTOM - TOP)) {}
        @if shade > 0 {
            path class={ "hatch " (class_of(cell.worst)) } fill="none" d=(hatch(shade, x, room)) {}
        }
        @if cell.count > 0 && width >= ROOM_FOR_COUNT {
            text class="count" x=(c(x + room / 2.0)) y=(c(f64::midpoint(TOP, BOTTOM) + 4.0)) text-anchor="middle" {
                @if cell.count > 999 { "999+" } @else { (cell.count) }
            }
        }
    }
}

/// 0 for none, 4 for the most; between them by the logarithm, as one event beside a thousand is still one.
fn shade(count: u64, most: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    let share = (count as f64).ln_1p() / (most.max(1) as f64).ln_1p();
    ((share * SHADES as f64).ceil() as u64).clamp(1, SHADES)
}

/// As many lines below the count as the shade is dark.
fn hatch(shade: u64, x: f64, width: f64) -> String {
    (0..shade)
        .map(|line| {
            format!(
                "M{} {}h{}",
                c(x),
                c(BOTTOM - 1.5 - 2.0 * line as f64),
                c(width)
            )
        })
        .collect()
}

fn place(at: Timestamp, from: Timestamp, to: Timestamp) -> f64 {
    let span = to.duration_since(from).as_secs_f64().max(1.0);
    WIDTH * (at.duration_since(from).as_secs_f64() / span).clamp(0.0, 1.0)
}

fn anchor(x: f64) -> &'static str {
    match x {
        x if x < 26.0 => "start",
        x if x > WIDTH - 26.0 => "end",
        _ => "middle",
    }
}

fn words(cell: &Cell) -> String {
    format!(
        "{} to {}: {}",
        time::words(cell.from),
        time::words(cell.to),
        number::count(cell.count, "event")
    )
}

fn describe(cells: &[Cell]) -> String {
    let all: u64 = cells.iter().fold(0, |sum, it| sum.saturating_add(it.count));
    match cells
        .iter()
        .max_by_key(|it| it.count)
        .filter(|it| it.count > 0)
    {
        Some(busiest) => format!(
            "{} in all. The most: {}.",
            number::count(all, "event"),
            words(busiest)
        ),
        None => "No events in this time.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::minute;
    use super::*;

    #[test]
    fn events_are_counted_where_they_were() {
        let events = [
            (minute(0), Level::SOSO),
            (minute(59), Level::DEAD),
            (minute(60), Level::FINE),
            (minute(-1), Level::DEAD),
            (minute(1440), Level::DEAD),
        ];
        let cells = density(events, minute(0), minute(1440), 24);
        assert_eq!(cells.len(), 24);
        assert_eq!((cells[0].count, cells[0].worst), (2, Some(Level::DEAD)));
        assert_eq!((cells[1].count, cells[1].from), (1, minute(60)));
        assert_eq!(cells.iter().map(|it| it.count).sum::<u64>(), 3);
        assert!(density(events, minute(5), minute(5), 24).is_empty());
    }

    #[test]
    fn more_is_darker_and_closer_hatched() {
        let mut cells = density([], minute(0), minute(1440), 24);
        (cells[1].count, cells[2].count) = (1, 1_000);
        cells[2].href = Some("/events?since=a&until=b".into());
        let drawing = strip(&Strip {
            id: "s",
            title: "events",
            cells: &cells,
        })
        .into_string();
        assert!(drawing.contains("cell heat-1") && drawing.contains("cell heat-4"));
        assert!(drawing.contains("href=\"/events?since=a&amp;until=b\""));
        assert!(drawing.contains(">999+</text>"));
        assert!(drawing.contains("1001 events in all. The most: 2026-11-22 14:00 UTC to 2026-11-22 15:00 UTC: 1000 events."));
        assert_eq!(hatch(4, 0.0, 1.0).matches('M').count(), 4);
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let empty = Strip {
            id: "s",
            title: "events",
            cells: &[],
        };
        assert!(
            strip(&empty)
                .into_string()
                .contains("No events in this time.")
        );
    }
}
