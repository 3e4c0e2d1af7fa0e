//! A plot in the terminal, drawn with braille dots: two by four of them in each cell.
//!
//! The mean is a line, the stretch from the least to the greatest sample of each bucket a shade of every other dot
//! around it. Where samples are missing nothing is drawn. It needs no colour, and says the same on paper.

use std::fmt::Write;

use jiff::tz::TimeZone;
use lockstep_model::Series;

/// How large a plot is, in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// Smaller ones say nothing, larger ones are a mistake.
const LEAST: Size = Size {
    width: 30,
    height: 7,
};
const MOST: Size = Size {
    width: 400,
    height: 100,
};
/// The two lines above the curve, and the two of the axis of times.
const LINES_AROUND: usize = 4;
/// Cells between two ticks of the axis of values, at least; and of the axis of times.
const ROWS_BETWEEN: usize = 3;
const COLUMNS_BETWEEN: usize = 20;

/// Draws a series: two lines of words, the curve with its axis of values, and the axis of times. Each line ends with a
/// line break, none is wider than `size`.
pub(crate) fn plot(series: &Series, size: Size, zone: &TimeZone) -> String {
    let size = Size {
        width: size.width.clamp(LEAST.width, MOST.width),
        height: size.height.clamp(LEAST.height, MOST.height),
    };
    let time = |at: jiff::Timestamp| at.to_zoned(zone.clone());
    let mut text = String::new();
    let ends = format!(
        "{} – {}",
        time(series.from).strftime("%Y-%m-%d %H:%M"),
        time(series.to).strftime("%Y-%m-%d %H:%M %Z")
    );
    line(&mut text, &format!("{}, {ends}", series.item), size.width);
    let rows = size.height - LINES_AROUND;
    let Some(scale) = Scale::of(series, rows) else {
        line(&mut text, "no samples", size.width);
        return text;
    };
    line(&mut text, &summary(series, &scale), size.width);

    let labels: Vec<Option<String>> = (0..rows).map(|row| scale.label(row, rows)).collect();
    let margin = labels
        .iter()
        .flatten()
        .map(|label| label.chars().count())
        .max();
    let margin = margin.unwrap_or(0);
    let columns = size.width - margin - 2;
    let canvas = curve(series, &scale, columns, rows);
    for (row, label) in labels.iter().enumerate() {
        let tick = if label.is_some() { '┤' } else { '│' };
        let label = label.as_deref().unwrap_or_default();
        line(
            &mut text,
            &format!("{label:>margin$} {tick}{}", canvas.row(row)),
            size.width,
        );
    }
    let (axis, times) = times(series, columns, zone);
    line(&mut text, &format!("{:margin$} └{axis}", ""), size.width);
    line(&mut text, &format!("{:margin$}  {times}", ""), size.width);
    text
}

fn line(text: &mut String, line: &str, width: usize) {
    let fitting: String = line.chars().take(width).collect();
    text.push_str(fitting.trim_end());
    text.push('\n');
}

/// The extremes and the mean of all samples, and the newest bucket.
fn summary(series: &Series, scale: &Scale) -> String {
    let count: u64 = series.buckets.iter().map(|bucket| bucket.count).sum();
    let weighted = series.buckets.iter();
    let mean = weighted
        .map(|bucket| bucket.mean * (bucket.count as f64 / count as f64))
        .sum::<f64>();
    let last = series.buckets.last().map_or(mean, |bucket| bucket.mean);
    let show = |value| scale.show(value, 1);
    format!(
        "{} to {}, mean {}, last {}",
        show(scale.least),
        show(scale.greatest),
        show(mean),
        show(last)
    )
}

/// The axis of values.
struct Scale {
    /// The extremes of the samples.
    least: f64,
    greatest: f64,
    /// The ends of the axis.
    from: f64,
    to: f64,
    /// Between two ticks.
    step: f64,
    /// What the numbers are divided by, and the unit behind them then.
    factor: f64,
    unit: String,
}

impl Scale {
    /// None without samples.
    fn of(series: &Series, rows: usize) -> Option<Self> {
        let values = || series.buckets.iter();
        let least = values().map(|bucket| bucket.min).min_by(f64::total_cmp)?;
        let greatest = values().map(|bucket| bucket.max).max_by(f64::total_cmp)?;
        let (mut from, mut to) = (least, greatest);
        // What is never below zero and comes near it is shown from zero on.
        if from >= 0.0 && from <= (to - from) * 2.0 {
            from = 0.0;
        }
        // A level line lies in the middle.
        let is_level = to - from <= to.abs() * 1e-9;
        if is_level {
            let room = if to == 0.0 { 1.0 } else { to.abs() * 0.1 };
            (from, to) = (from - room, to + room);
        }
        let (factor, unit) = unit(&series.unit, least.abs().max(greatest.abs()));
        let ticks = (rows / ROWS_BETWEEN).max(1);
        let step = nice((to - from) / factor / ticks as f64) * factor;
        Some(Self {
            least,
            greatest,
            from: (from / step).floor() * step,
            to: (to / step).ceil() * step,
            step,
            factor,
            unit,
        })
    }

    /// Where a value lies, from 0 at the lower end to 1.
    fn place(&self, value: f64) -> f64 {
        let place = (value - self.from) / (self.to - self.from);
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.5
        }
    }

    /// The label of a row, if a tick lies in it.
    fn label(&self, row: usize, rows: usize) -> Option<String> {
        let ticks = ((self.to - self.from) / self.step).round();
        (0..=ticks as usize).find_map(|tick| {
            let value = self.from + self.step * tick as f64;
            let at = ((1.0 - self.place(value)) * (rows - 1) as f64).round() as usize;
            (at == row).then(|| self.show(value, 0))
        })
    }

    /// A value as the axis shows it, with so many digits more.
    fn show(&self, value: f64, more: usize) -> String {
        // Beyond fifteen digits a double has none to show.
        let step = (self.step / self.factor).log10().floor();
        let decimals = (-step).clamp(0.0, 9.0) as usize + more;
        // Half a step from zero is zero, without a sign.
        let value = value / self.factor + 0.0;
        let number = if value.abs() >= 1e15 || (step < -9.0) {
            format!("{value:.3e}")
        } else {
            format!("{value:.decimals$}")
        };
        if self.unit.is_empty() {
            number
        } else {
            format!("{number} {}", self.unit)
        }
    }
}

/// What numbers of a unit are divided by so that they are short, and the unit then.
fn unit(unit: &str, largest: f64) -> (f64, String) {
    let prefixes = |names: &[&str], behind: &str| {
        let steps = (0_i32..).zip(names);
        let fitting =
            steps.take_while(|(power, _)| *power == 0 || largest >= 1000_f64.powi(*power));
        let (power, name) = fitting.last().unwrap_or((0, &names[0]));
        (1000_f64.powi(power), format!("{name}{behind}"))
    };
    match unit {
        "bytes" => prefixes(&["", "k", "M", "G", "T", "P"], "B"),
        "bytes/s" => prefixes(&["", "k", "M", "G", "T", "P"], "B/s"),
        "s" if largest >= 2.0 * 86_400.0 => (86_400.0, "d".into()),
        "s" if largest >= 2.0 * 3_600.0 => (3_600.0, "h".into()),
        "s" if largest < 1e-3 && largest > 0.0 => (1e-6, "µs".into()),
        "s" if largest < 1.0 && largest > 0.0 => (1e-3, "ms".into()),
        "" if largest >= 100_000.0 => prefixes(&["", "k", "M", "G", "T", "P"], ""),
        unit => (1.0, unit.chars().take(8).collect()),
    }
}

/// The smallest of 1, 2, 5, 10, 20 … that is not less.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powi(step.log10().floor() as i32);
    let fitting = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|digit| digit * power >= step * 0.999_999);
    fitting.unwrap_or(10.0) * power
}

/// Dots, two by four in each cell.
struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<u8>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            rows,
            cells: vec![0; columns * rows],
        }
    }

    /// Sets a dot, counted from the upper left.
    fn dot(&mut self, x: usize, y: usize) {
        // The bits of Unicode's braille patterns, in rows.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let (column, row) = (x / 2, y / 4);
        if column < self.columns && row < self.rows {
            self.cells[row * self.columns + column] |= BITS[y % 4][x % 2];
        }
    }

    fn row(&self, row: usize) -> String {
        let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
        let sign = |&cell: &u8| match cell {
            0 => ' ',
            cell => char::from_u32(0x2800 + u32::from(cell)).unwrap_or(' '),
        };
        cells.iter().map(sign).collect()
    }
}

fn curve(series: &Series, scale: &Scale, columns: usize, rows: usize) -> Canvas {
    let mut canvas = Canvas::new(columns, rows);
    let (wide, high) = (columns * 2, rows * 4);
    let from = series.from.as_millisecond();
    let span = (series.to.as_millisecond() - from).max(1) as f64;
    let bucket = series.bucket_ms as f64;
    let x = |at: jiff::Timestamp, part: f64| {
        let place = (at.as_millisecond().saturating_sub(from) as f64 + bucket * part) / span;
        (place * wide as f64).clamp(0.0, wide as f64)
    };
    let y = |value: f64| ((1.0 - scale.place(value)) * (high - 1) as f64).round() as usize;

    for bucket in &series.buckets {
        let left = x(bucket.at, 0.0) as usize;
        let right = (x(bucket.at, 1.0).ceil() as usize).max(left + 1);
        for dot_x in left..right.min(wide) {
            for dot_y in y(bucket.max)..=y(bucket.min) {
                if (dot_x + dot_y) % 2 == 0 {
                    canvas.dot(dot_x, dot_y);
                }
            }
        }
    }
    let mut before: Option<(jiff::Timestamp, f64, f64)> = None;
    for bucket in &series.buckets {
        let here = (
            x(bucket.at, 0.5).min((wide - 1) as f64),
            y(bucket.mean) as f64,
        );
        let gap = before.map(|(at, ..)| bucket.at.duration_since(at).as_millis());
        let start = match (before, gap) {
            // A bucket without samples between two is a gap in the line.
            (Some((_, x, y)), Some(gap)) if gap <= i128::from(series.bucket_ms) => (x, y),
            _ => here,
        };
        let steps = (here.0 - start.0)
            .abs()
            .max((here.1 - start.1).abs())
            .ceil()
            .max(1.0);
        for step in 0..=steps as usize {
            let part = step as f64 / steps;
            let dot_x = start.0 + (here.0 - start.0) * part;
            let dot_y = start.1 + (here.1 - start.1) * part;
            canvas.dot(dot_x as usize, dot_y.round() as usize);
        }
        before = Some((bucket.at, here.0, here.1));
    }
    canvas
}

/// The axis of times, and the times below it.
fn times(series: &Series, columns: usize, zone: &TimeZone) -> (String, String) {
    let (from, to) = (series.from.as_millisecond(), series.to.as_millisecond());
    let format = match (to - from) / 3_600_000 {
        ..=48 => "%H:%M",
        49..=1_440 => "%m-%d",
        _ => "%Y-%m",
    };
    let (mut axis, mut labels) = (String::new(), String::new());
    for column in 0..columns {
        if column % COLUMNS_BETWEEN != 0 {
            axis.push('─');
            continue;
        }
        axis.push('┬');
        let at = from + ((to - from) as f64 * column as f64 / columns as f64) as i64;
        let label = jiff::Timestamp::from_millisecond(at)
            .map(|at| at.to_zoned(zone.clone()).strftime(format).to_string())
            .unwrap_or_default();
        if column + label.len() <= columns {
            // Writing into a text cannot fail.
            let _ = write!(
                labels,
                "{:fill$}{label}",
                "",
                fill = column.saturating_sub(labels.len())
            );
        }
    }
    (axis, labels)
}

#[cfg(test)]
mod tests;
