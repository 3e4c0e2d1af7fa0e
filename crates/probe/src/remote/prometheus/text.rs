//! Prometheus's text format 0.0.4, and OpenMetrics, which looks almost the same.
//!
//! The reader is tolerant: a line that it does not understand is skipped. Exporters are many, and one slip of one of
//! them should not hide the rest.

use std::collections::BTreeMap;
use std::fmt;

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    /// Labels with their values, in the order in which they were written.
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
    /// True if it only ever grows.
    pub(super) is_counter: bool,
}

/// How much was understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) lines: usize,
    pub(super) odd_lines: usize,
}

/// Types that are remembered; one answer has hundreds.
const MOST_TYPES: usize = 10_000;
/// Labels of one series.
const MOST_LABELS: usize = 64;

/// Reads all series of an answer.
pub(super) fn read(text: &str, mut found: impl FnMut(Series)) -> Read {
    let mut read = Read::default();
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_ascii_whitespace();
            if let (Some("TYPE"), Some(name), Some(kind)) =
                (words.next(), words.next(), words.next())
                && types.len() < MOST_TYPES
            {
                types.insert(name, kind);
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        match series(line) {
            Some(mut series) => {
                read.lines += 1;
                series.is_counter = is_counter(&types, &series.name);
                found(series);
            }
            None => read.odd_lines += 1,
        }
    }
    read
}

/// Counters, and the counting parts of histograms and summaries. OpenMetrics names the family in its `TYPE`, and each
/// of its series with something behind that.
fn is_counter(types: &BTreeMap<&str, &str>, name: &str) -> bool {
    let of = |name: &str| types.get(name).copied();
    if let Some(kind) = of(name) {
        return kind == "counter";
    }
    let family = |suffix| name.strip_suffix(suffix).and_then(of);
    let part = family("_count")
        .or_else(|| family("_sum"))
        .or_else(|| family("_bucket"));
    match (family("_total"), part) {
        (Some(kind), _) => kind == "counter",
        (None, Some(kind)) => matches!(kind, "histogram" | "summary"),
        (None, None) => name.ends_with("_total"),
    }
}

/// `name{label="value",…} value [timestamp] [# exemplar]`.
fn series(line: &str) -> Option<Series> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let end = line.find(|c| !is_name(c))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?;
    Some(Series {
        name: name.into(),
        labels,
        value: value.parse().ok()?,
        is_counter: false,
    })
}

/// Labels up to the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = quoted(behind.trim_start().strip_prefix('"')?)?;
        if labels.len() == MOST_LABELS {
            return None;
        }
        labels.push((name.trim().to_owned(), value));
        let behind = behind.trim_start();
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
}

/// The text up to the closing quote, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

impl Series {
    /// The unit that the name tells, as the naming conventions have it.
    pub(super) fn unit(&self) -> &'static str {
        let name = self.name.strip_suffix("_total").unwrap_or(&self.name);
        let name = name.strip_suffix("_sum").unwrap_or(name);
        [
            ("_seconds", "s"),
            ("_bytes", "bytes"),
            ("_celsius", "°C"),
            ("_percent", "%"),
        ]
        .iter()
        .find(|(suffix, _)| name.ends_with(suffix))
        .map_or("", |(_, unit)| unit)
    }
}

impl fmt::Display for Series {
    /// As it was written, without what could break a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (index, (name, value)) in self.labels.iter().enumerate() {
            let value: String = value
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            let name: String = name.chars().filter(|c| !c.is_control()).collect();
            write!(
                f,
                "{}{name}=\"{value}\"",
                if index == 0 { "{" } else { "," }
            )?;
        }
        if !self.labels.is_empty() {
            f.write_str("}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> (Vec<Series>, Read) {
        let mut series = Vec::new();
        let read = read(text, |one| series.push(one));
        (series, read)
    }

    #[test]
    fn both_formats_are_read() {
        let (series, read) = all(concat!(
            "# HELP http_requests_total The total number of HTTP requests.\n",
            "# TYPE http_requests_total counter\n",
            "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n",
            "msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\A \\\"x\\\"\",} 1.458255915e9\n",
            "metric_without_timestamp_and_labels 12.47\n",
            "something_weird{problem=\"division by zero\"} +Inf -3982045\n",
            "# TYPE rpc histogram\nrpc_bucket{le=\"0.05\"} 24054 # {trace=\"a\"} 0.05\nrpc_sum 1.7\nrpc_count 2\n",
            "# TYPE family counter\nfamily_total 3\nfamily_created 4\n",
            "# TYPE heat gauge\nheat NaN\n # EOF\n",
        ));
        assert_eq!(
            read,
            Read {
                lines: 10,
                odd_lines: 0
            }
        );
        let shown: Vec<String> = series
            .iter()
            .map(|one| {
                format!(
                    "{one} = {}{}",
                    one.value,
                    if one.is_counter { " up" } else { "" }
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "http_requests_total{method=\"post\",code=\"200\"} = 1027 up",
                "msdos_file_access_time_seconds{path=\"C:\\DIR\\A \"x\"\"} = 1458255915",
                "metric_without_timestamp_and_labels = 12.47",
                "something_weird{problem=\"division by zero\"} = inf",
                "rpc_bucket{le=\"0.05\"} = 24054 up",
                "rpc_sum = 1.7 up",
                "rpc_count = 2 up",
                "family_total = 3 up",
                "family_created = 4",
                "heat = NaN",
            ]
        );
        assert_eq!(series[1].unit(), "s");
    }

    #[test]
    fn odd_lines_are_skipped() {
        let (series, read) = all("a 1\n<html>\n1a 2\nb{x=} 3\nc{x=\"1\" 4\nd\ne x\n{} 1\nf 2");
        assert_eq!(series.len(), 2);
        assert_eq!(
            read,
            Read {
                lines: 2,
                odd_lines: 7
            }
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(text in "([a-z]{1,3}|[{}=\"\\\\,# \n]|[0-9.]|\\PC){0,60}") {
            let _ = all(&text);
        }

        #[test]
        fn what_is_written_is_read(name in "[a-z_:][a-z0-9_:]{0,12}", label in "[a-z_]{1,8}", value in "\\PC{0,20}", number in -1e15..1e15_f64) {
            let coded = value.replace('\\', "\\\\").replace('"', "\\\"");
            let (series, _) = all(&format!("{name}{{{label}=\"{coded}\"}} {number}"));
            prop_assert_eq!(&series[0].name, &name);
            prop_assert_eq!(&series[0].labels, &[(label, value)]);
            prop_assert!((series[0].value - number).abs() <= number.abs() * 1e-12);
        }
    }
}
