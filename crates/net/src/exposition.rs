//! Figures for Prometheus: the text format 0.0.4, and OpenMetrics 1.0 for those who ask for it.
//!
//! Sources: "Exposition formats" of the Prometheus documentation; OpenMetrics 1.0.0. The two differ in where a counter
//! wears its `_total`, in the type, and in the last line.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What is written, and in which of the two formats.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
    families: BTreeSet<String>,
    most: usize,
    samples: usize,
    dropped: usize,
}

/// One of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// What kind of figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, and begins anew with the process. Its name ends in `_total`.
    Counter,
}

impl Format {
    /// The format that a request's `Accept` header asks for.
    #[must_use]
    pub fn wanted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    /// The `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Exposition {
    /// An empty one that takes at most so many samples; the others are counted.
    #[must_use]
    pub fn new(format: Format, most: usize) -> Self {
        Self {
            format,
            text: String::new(),
            families: BTreeSet::new(),
            most,
            samples: 0,
            dropped: 0,
        }
    }

    /// Writes all samples of one name. A name may be written once only; `name` and label names are ours and
    /// well-formed, label values may be anything.
    pub fn family<'a, L>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) where
        L: IntoIterator<Item = (&'a str, String)>,
    {
        let mut samples = samples.into_iter().peekable();
        // Without samples nobody misses the name.
        if samples.peek().is_none() || !self.families.insert(name.to_owned()) {
            return;
        }
        let family = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        let _ = writeln!(self.text, "# HELP {family} {}", escaped(help, false));
        let _ = writeln!(self.text, "# TYPE {family} {kind}");
        for (labels, value) in samples {
            if self.samples >= self.most {
                self.dropped += 1;
                continue;
            }
            self.samples += 1;
            self.sample(name, labels, value);
        }
    }

    /// Writes a name with one sample and without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        let no_labels: [(&str, String); 0] = [];
        self.family(name, kind, help, [(no_labels, value)]);
    }

    fn sample<'a>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'a str, String)>,
        value: f64,
    ) {
        self.text.push_str(name);
        let mut labels = labels.into_iter().peekable();
        if labels.peek().is_some() {
            self.text.push('{');
            for (index, (label, text)) in labels.enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(self.text, "{comma}{label}=\"{}\"", escaped(&text, true));
            }
            self.text.push('}');
        }
        // Both formats write what is no number in their own way.
        let _ = match value {
            value if value.is_nan() => writeln!(self.text, " NaN"),
            f64::INFINITY => writeln!(self.text, " +Inf"),
            f64::NEG_INFINITY => writeln!(self.text, " -Inf"),
            value => writeln!(self.text, " {value}"),
        };
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        let dropped = self.dropped as f64;
        self.most = usize::MAX;
        self.single(
            "lockstep_exposition_dropped_samples",
            Kind::Gauge,
            "Samples that this answer leaves out because it would be too large.",
            dropped,
        );
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// A text in which nothing ends the line or the label.
fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes {
        text.replace('"', "\\\"")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut exposition = Exposition::new(format, 3);
        exposition.family(
            "lockstep_reports_total",
            Kind::Counter,
            "Reports.",
            [([("kind", "a\"b\\c\nd".to_owned())], 3.0)],
        );
        let levels = ["web1", "web2", "web3"].map(|host| ([("host", host.to_owned())], 0.5));
        exposition.family("lockstep_level", Kind::Gauge, "Levels.", levels);
        exposition.single("lockstep_reports_total", Kind::Counter, "Twice.", 1.0);
        exposition.finish()
    }

    #[test]
    fn the_text_format_has_its_names_and_nothing_breaks_out_of_a_label() {
        assert_eq!(
            written(Format::Text),
            "# HELP lockstep_reports_total Reports.\n\
             # TYPE lockstep_reports_total counter\n\
             lockstep_reports_total{kind=\"a\\\"b\\\\c\\nd\"} 3\n\
             # HELP lockstep_level Levels.\n\
             # TYPE lockstep_level gauge\n\
             lockstep_level{host=\"web1\"} 0.5\n\
             lockstep_level{host=\"web2\"} 0.5\n\
             # HELP lockstep_exposition_dropped_samples Samples that this answer leaves out because it would be too large.\n\
             # TYPE lockstep_exposition_dropped_samples gauge\n\
             lockstep_exposition_dropped_samples 1\n"
        );
    }

    #[test]
    fn openmetrics_takes_the_suffix_off_the_family_and_ends_with_a_mark() {
        let text = written(Format::OpenMetrics);
        assert!(text.contains("# TYPE lockstep_reports counter\nlockstep_reports_total{"));
        assert!(text.ends_with("# EOF\n"));
        let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        assert_eq!(Format::wanted(Some(accept)), Format::OpenMetrics);
        assert_eq!(Format::wanted(Some("text/plain")), Format::Text);
        assert_eq!(Format::wanted(None), Format::Text);
    }
}
