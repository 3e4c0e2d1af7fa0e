//! Paths with one decimal at most: nobody sees more, and each digit is sent for each point.

use std::fmt::Write;

/// A coordinate as text: one decimal, none if it is zero.
pub(super) fn c(value: f64) -> String {
    let mut text = String::new();
    push(&mut text, value);
    text
}

fn push(text: &mut String, value: f64) {
    let tenths = (value * 10.0).round();
    let tenths = if tenths.is_finite() { tenths as i64 } else { 0 };
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, rest) = (tenths.abs() / 10, tenths.abs() % 10);
    // Writing into a text cannot fail.
    let _ = match rest {
        0 => write!(text, "{sign}{whole}"),
        rest => write!(text, "{sign}{whole}.{rest}"),
    };
}

/// The `d` of an SVG path, made of straight lines.
#[derive(Debug, Default)]
pub(super) struct Path(String);

impl Path {
    /// Begins anew at a point.
    pub(super) fn to(&mut self, x: f64, y: f64) -> &mut Self {
        self.command('M', x, y)
    }

    /// A line to a point.
    pub(super) fn line(&mut self, x: f64, y: f64) -> &mut Self {
        self.command('L', x, y)
    }

    /// Back to where it began.
    pub(super) fn close(&mut self) {
        self.0.push('Z');
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// A line through points.
    pub(super) fn through(&mut self, points: impl Iterator<Item = (f64, f64)>) {
        for (index, (x, y)) in points.enumerate() {
            if index == 0 {
                self.to(x, y);
            } else {
                self.line(x, y);
            }
        }
    }

    fn command(&mut self, command: char, x: f64, y: f64) -> &mut Self {
        self.0.push(command);
        push(&mut self.0, x);
        self.0.push(' ');
        push(&mut self.0, y);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_one_decimal() {
        let texts = [
            (1.0, "1"),
            (1.25, "1.3"),
            (-0.04, "0"),
            (-1.5, "-1.5"),
            (f64::NAN, "0"),
        ];
        for (value, text) in texts {
            assert_eq!(c(value), text);
        }
        let mut path = Path::default();
        path.through([(1.0, 2.0), (3.0, 4.5)].into_iter());
        path.close();
        assert_eq!(path.as_str(), "M1 2L3 4.5Z");
    }
}
