//! A drawing of one simulation: hosts over time, and the server's load below. Plain SVG without scripts; texts stay
//! texts, and colours follow the reader's choice of light or dark.

use std::fmt::Write;
use std::time::Duration;

use lockstep_model::Strategy;

use super::curve::Curve;
use super::outcome::Outcome;

/// The drawing's size. At the width of a phone its letters are still read.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 462.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 468.0;
/// The hosts' part, and the load's.
const HOSTS: (f64, f64) = (72.0, 262.0);
const LOAD: (f64, f64) = (316.0, 386.0);
/// Moments at which windows are looked at.
const SAMPLES: u32 = 800;

const STYLE: &str = "<style>\
text{font:12px system-ui,sans-serif;fill:#1d2733}.soft{fill:#586675}.title{font-size:15px;font-weight:600}\
.paper{fill:#fff}.grid{stroke:#dbe1e7;stroke-width:1}.axis{stroke:#8794a1;stroke-width:1}\
.wave{fill:#eaf1f8}.bake{fill:#bfe0c8}.shut{fill:#c9c9d1}\
.done{fill:#2a6fb0;fill-opacity:.28;stroke:#2a6fb0;stroke-width:1.8}\
.going{fill:none;stroke:#c9720f;stroke-width:1.6;stroke-dasharray:4 2}\
.load{fill:#7b549b;fill-opacity:.35;stroke:#7b549b;stroke-width:1.2}\
@media(prefers-color-scheme:dark){text{fill:#e4e9ee}.soft{fill:#9fabb7}.paper{fill:#14191f}\
.grid{stroke:#2b343d}.axis{stroke:#6c7884}.wave{fill:#1c2630}.bake{fill:#1f4a30}.shut{fill:#3b3b45}\
.done{fill:#5fa8e6;stroke:#5fa8e6}.going{stroke:#f0a64b}.load{fill:#b58ad8;stroke:#b58ad8}}\
</style>";

/// Draws a simulation of a rollout to so many hosts.
#[must_use]
pub fn draw(outcome: &Outcome, strategy: &Strategy, hosts: usize, title: &str) -> String {
    let seconds = outcome.took().as_secs_f64().max(1.0);
    let drawing = Drawing {
        seconds: seconds * 1.02,
        hosts: hosts.max(1) as f64,
    };
    let mut svg = String::new();
    let description = describe(outcome, hosts);
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" style=\"max-width:100%;height:auto\" role=\"img\" aria-labelledby=\"t d\">\n\
         <title id=\"t\">{}</title>\n<desc id=\"d\">{}</desc>\n{STYLE}\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
        escape(title),
        escape(&description)
    );
    text(&mut svg, 12.0, 22.0, "title", "start", title);
    text(&mut svg, 12.0, 40.0, "soft", "start", &subtitle(outcome));
    drawing.waves(&mut svg, outcome);
    drawing.shut(&mut svg, outcome, strategy);
    drawing.hosts_axis(&mut svg);
    drawing.time_axis(&mut svg);
    drawing.curve(&mut svg, &outcome.done, "done", true, HOSTS, drawing.hosts);
    drawing.curve(
        &mut svg,
        &outcome.going,
        "going",
        false,
        HOSTS,
        drawing.hosts,
    );
    drawing.load(&mut svg, outcome);
    legend(&mut svg);
    svg.push_str("</svg>\n");
    svg
}

fn describe(outcome: &Outcome, hosts: usize) -> String {
    format!(
        "{} of {hosts} hosts have the version after {}, in {} waves. {}",
        outcome.proven.len(),
        length(outcome.took()),
        outcome.waves.len(),
        outcome.why
    )
}

fn subtitle(outcome: &Outcome) -> String {
    let zoned = outcome.start.strftime("%Y-%m-%d %H:%M UTC");
    format!("from {zoned}, {} in all", length(outcome.took()))
}

/// What turns figures into places.
struct Drawing {
    seconds: f64,
    hosts: f64,
}

impl Drawing {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    /// Each wave from its opening to the next one, and its bake time in it.
    fn waves(&self, svg: &mut String, outcome: &Outcome) {
        let after = |at: jiff::Timestamp| at.duration_since(outcome.start).as_secs_f64();
        let end = after(outcome.ended_at);
        let mut labelled = f64::MIN;
        for (index, wave) in outcome.waves.iter().enumerate() {
            let Some(opened) = wave.opened_at.map(after) else {
                continue;
            };
            let next = outcome.waves.get(index + 1).and_then(|next| next.opened_at);
            let until = next.map_or(end, after);
            if index % 2 == 0 {
                self.band(svg, "wave", opened, until);
            }
            if let Some(proven) = wave.proven_at.map(after)
                && index + 1 < outcome.waves.len()
            {
                self.band(svg, "bake", proven, until);
            }
            // Where waves are narrow not every number has room.
            let x = f64::midpoint(self.x(opened), self.x(until));
            let wide = self.x(until) - self.x(opened) >= 12.0;
            if wide || x - labelled >= 14.0 {
                labelled = x;
                text(
                    svg,
                    x,
                    HOSTS.0 - 12.0,
                    "soft",
                    "middle",
                    &(index + 1).to_string(),
                );
            }
        }
        text(svg, LEFT - 8.0, HOSTS.0 - 12.0, "soft", "end", "wave");
    }

    /// The times at which nobody may be let go, as a strip above the axis of times.
    fn shut(&self, svg: &mut String, outcome: &Outcome, strategy: &Strategy) {
        let step = self.seconds / f64::from(SAMPLES);
        let is_shut = |sample: u32| {
            let after = jiff::SignedDuration::from_secs_f64(step * f64::from(sample));
            let at = outcome.start.checked_add(after);
            at.is_ok_and(|at| !strategy.windows.is_open(at))
        };
        let mut since = None;
        for sample in 0..=SAMPLES {
            let shut = sample < SAMPLES && is_shut(sample);
            match (since, shut) {
                (None, true) => since = Some(sample),
                (Some(from), false) => {
                    let (from, to) = (f64::from(from) * step, f64::from(sample) * step);
                    self.band(svg, "shut", from, to);
                    since = None;
                }
                _ => {}
            }
        }
    }

    fn band(&self, svg: &mut String, class: &str, from: f64, to: f64) {
        let (x, width) = (self.x(from), self.x(to) - self.x(from));
        let (top, bottom) = HOSTS;
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\"/>",
            width.max(0.5),
            bottom - top
        );
    }

    fn hosts_axis(&self, svg: &mut String) {
        for quarter in 0..=4 {
            let share = f64::from(quarter) / 4.0;
            let y = HOSTS.1 - (HOSTS.1 - HOSTS.0) * share;
            line(svg, "grid", LEFT, y, RIGHT, y);
            text(
                svg,
                LEFT - 6.0,
                y + 4.0,
                "soft",
                "end",
                &short(self.hosts * share),
            );
        }
    }

    fn time_axis(&self, svg: &mut String) {
        let step = tick(self.seconds);
        let mut at = 0.0;
        while at <= self.seconds {
            let x = self.x(at);
            line(svg, "axis", x, HOSTS.1, x, HOSTS.1 + 4.0);
            line(svg, "axis", x, LOAD.1, x, LOAD.1 + 4.0);
            let label = if at == 0.0 {
                "start".into()
            } else {
                length(Duration::from_secs_f64(at))
            };
            text(svg, x, HOSTS.1 + 18.0, "soft", "middle", &label);
            at += step;
        }
        line(svg, "axis", LEFT, HOSTS.1, RIGHT, HOSTS.1);
        line(svg, "axis", LEFT, LOAD.1, RIGHT, LOAD.1);
    }

    fn load(&self, svg: &mut String, outcome: &Outcome) {
        let sent = &outcome.load.sent;
        let most = sent.values().iter().fold(0.0_f64, |most, it| most.max(*it));
        let label = format!("bytes sent: at most {}/s", bytes(most / sent.seconds()));
        text(svg, LEFT, LOAD.0 - 8.0, "soft", "start", &label);
        self.curve(svg, sent, "load", true, LOAD, most);
    }

    /// A curve, with the area below it if that is filled.
    fn curve(
        &self,
        svg: &mut String,
        curve: &Curve,
        class: &str,
        area: bool,
        (top, bottom): (f64, f64),
        most: f64,
    ) {
        if curve.values().is_empty() || most <= 0.0 {
            return;
        }
        let mut path = String::new();
        if area {
            let _ = write!(path, "M{LEFT} {bottom}");
        }
        let mut before = f64::NAN;
        let mut x = LEFT;
        for (bucket, value) in curve.values().iter().enumerate() {
            let y = bottom - (bottom - top) * (value / most).min(1.0);
            let from = self.x(bucket as f64 * curve.seconds());
            x = self.x((bucket + 1) as f64 * curve.seconds());
            if (y - before).abs() < 0.05 {
                continue;
            }
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = match before.is_nan() || area && before == y {
                true => write!(path, "{command}{from:.1} {y:.1}"),
                false => write!(path, "L{from:.1} {before:.1}L{from:.1} {y:.1}"),
            };
            before = y;
        }
        // It stays as it was until the end.
        let end = if class == "load" {
            x
        } else {
            self.x(self.seconds / 1.02)
        };
        let _ = write!(path, "L{end:.1} {before:.1}");
        if area {
            let _ = write!(path, "L{end:.1} {bottom}Z");
        }
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
    }
}

fn legend(svg: &mut String) {
    let entries = [
        (LEFT, 416.0, "done", "have the version"),
        (LEFT + 210.0, 416.0, "going", "were let go"),
        (LEFT, 438.0, "bake", "proven, and watched"),
        (LEFT + 210.0, 438.0, "shut", "windows are shut"),
    ];
    for (x, y, class, words) in entries {
        if class == "going" {
            let _ = writeln!(svg, "<path class=\"going\" d=\"M{x} {}h22\"/>", y - 4.0);
        } else {
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"22\" height=\"12\"/>",
                y - 10.0
            );
        }
        text(svg, x + 30.0, y, "", "start", words);
    }
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, anchor: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escape(words)
    );
}

fn line(svg: &mut String, class: &str, x1: f64, y1: f64, x2: f64, y2: f64) {
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// The distance of ticks: at most six of them.
fn tick(seconds: f64) -> f64 {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 3600.0;
    const DAY: f64 = 86_400.0;
    let steps = [
        10.0,
        30.0,
        MINUTE,
        2.0 * MINUTE,
        5.0 * MINUTE,
        10.0 * MINUTE,
        20.0 * MINUTE,
        30.0 * MINUTE,
        HOUR,
        2.0 * HOUR,
        4.0 * HOUR,
        6.0 * HOUR,
        12.0 * HOUR,
        DAY,
        2.0 * DAY,
        7.0 * DAY,
        14.0 * DAY,
        30.0 * DAY,
    ];
    let fits = |step: &f64| seconds / step <= 6.0;
    steps.into_iter().find(fits).unwrap_or(seconds / 6.0)
}

/// A length of time for people: the two largest units.
#[must_use]
pub fn length(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let first = units
        .iter()
        .position(|(unit, _)| seconds >= *unit)
        .unwrap_or(3);
    let (unit, name) = units[first];
    let head = format!("{}{name}", seconds / unit);
    match units.get(first + 1) {
        Some((next, name)) if seconds % unit / next > 0 => {
            format!("{head}{}{name}", seconds % unit / next)
        }
        _ => head,
    }
}

/// A number of bytes for people.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    for (unit, name) in units {
        if bytes >= unit {
            return format!("{:.1} {name}", bytes / unit);
        }
    }
    format!("{bytes:.0} bytes")
}

/// A number of hosts at an axis.
fn short(hosts: f64) -> String {
    match hosts {
        hosts if hosts >= 1e6 => format!("{}M", (hosts / 1e4).round() / 100.0),
        hosts if hosts >= 10_000.0 => format!("{}k", (hosts / 100.0).round() / 10.0),
        hosts => format!("{}", (hosts * 10.0).round() / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let lengths = [
            (0.4, "0s"),
            (59.0, "59s"),
            (90.0, "1m30s"),
            (3600.0, "1h"),
            (100_000.0, "1d3h"),
        ];
        for (seconds, text) in lengths {
            assert_eq!(length(Duration::from_secs_f64(seconds)), text);
        }
        assert_eq!(short(1_000_000.0), "1M");
        assert_eq!(short(12_500.0), "12.5k");
        assert_eq!(short(2.5), "2.5");
        assert_eq!(bytes(125e6), "125.0 MB");
        for seconds in [1.0, 100.0, 5000.0, 86_400.0, 3e7] {
            assert!(seconds / tick(seconds) <= 6.0);
        }
        assert_eq!(escape("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}
