//! The one query that gates ask a Prometheus before they let a machine restart: which alerts are there?
//!
//! kured and its like ask `/api/v1/query` for `ALERTS`, perhaps with matchers: `ALERTS{alertstate="firing",host=~"web.*"}`.
//! That is understood here, and nothing else of PromQL: what is not understood is an error, never an empty answer, because
//! an empty answer means "go ahead". Format: <https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>
//! and <https://prometheus.io/docs/prometheus/latest/querying/basics/#instant-vector-selectors>.
//!
//! This is a codec alone. Who may ask, and what is answered, is the server's to say.

use jiff::Timestamp;
use regex_lite::{Regex, RegexBuilder};

/// The metric that is known here.
pub const ALERTS: &str = "ALERTS";
/// Longest query, in bytes.
const LONGEST: usize = 4 * 1024;
/// Most matchers of one query.
const MOST: usize = 20;
/// Most memory of one compiled pattern, in bytes; what matching costs grows with it.
const PATTERN: usize = 64 * 1024;

/// What is asked, as a form or the part of an address behind the question mark says it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which alerts.
    pub selector: Selector,
    /// For which moment; none for now.
    pub at: Option<Timestamp>,
    /// How many at most; none for all.
    pub limit: Option<usize>,
}

impl Asked {
    /// Parses `query=…&time=…&limit=…`. Of a name that stands there twice the first counts, other names (`timeout`,
    /// `stats`) are for servers that compute.
    ///
    /// # Errors
    /// In words.
    pub fn parse(form: &[u8]) -> Result<Self, String> {
        let first = |wanted: &str| {
            let mut fields = form_urlencoded::parse(form);
            let found = fields.find(|(name, _)| name == wanted);
            found.map(|(_, value)| value).filter(|it| !it.is_empty())
        };
        let query = first("query").ok_or("the parameter \"query\" is missing")?;
        let at = first("time").map(|text| moment(&text)).transpose()?;
        let limit = first("limit").map(|text| {
            let number = text.parse::<usize>();
            number.map_err(|_| format!("limit: {text:?} is not a number"))
        });
        Ok(Self {
            selector: Selector::parse(&query)?,
            at,
            // Prometheus reads 0 as "all".
            limit: limit.transpose()?.filter(|it| *it > 0),
        })
    }
}

/// A moment: seconds since 1970 with a fraction, or as in RFC 3339.
fn moment(text: &str) -> Result<Timestamp, String> {
    let seconds = text.parse::<f64>().ok().filter(|it| it.is_finite());
    // A float that is out of range becomes the nearest number, which the timestamp refuses.
    let parsed = match seconds {
        Some(seconds) => Timestamp::from_millisecond((seconds * 1_000.0).round() as i64).ok(),
        None => text.parse().ok(),
    };
    parsed.ok_or_else(|| format!("time: {text:?} is neither seconds since 1970 nor RFC 3339"))
}

/// `ALERTS{…}`: which alerts are meant.
#[derive(Debug, Clone)]
pub struct Selector(Vec<Matcher>);

#[derive(Debug, Clone)]
struct Matcher {
    label: String,
    test: Test,
    /// False turns the test around.
    wanted: bool,
}

#[derive(Debug, Clone)]
enum Test {
    Is(String),
    Like(Regex),
}

impl Selector {
    /// Parses `ALERTS` and `ALERTS{label="value",…}` with `=`, `!=`, `=~` and `!~`.
    ///
    /// # Errors
    /// In words, for everything else.
    pub fn parse(query: &str) -> Result<Self, String> {
        if query.len() > LONGEST {
            return Err(format!("a query has at most {LONGEST} bytes here"));
        }
        let mut text = Text(query.trim());
        if text.name() != Some(ALERTS) {
            return Err(only(query));
        }
        let mut matchers = Vec::new();
        if text.take("{") {
            while !text.take("}") {
                if matchers.len() == MOST {
                    return Err(format!("a query has at most {MOST} matchers here"));
                }
                matchers.push(matcher(&mut text)?);
                if !text.take(",") {
                    if text.take("}") {
                        break;
                    }
                    return Err(format!("\",\" or \"}}\" is expected {}", text.before()));
                }
            }
        }
        if !text.rest().is_empty() {
            return Err(only(query));
        }
        Ok(Self(matchers))
    }

    /// True if an alert is meant whose labels have these values; `value_of` gives an empty text for a label that it does
    /// not have.
    pub fn admits<'a>(&self, value_of: impl Fn(&str) -> &'a str) -> bool {
        self.0.iter().all(|matcher| {
            let value = value_of(&matcher.label);
            let found = match &matcher.test {
                Test::Is(expected) => value == expected,
                Test::Like(pattern) => pattern.is_match(value),
            };
            found == matcher.wanted
        })
    }
}

fn only(query: &str) -> String {
    let query: String = query.chars().take(100).collect();
    format!(
        "{query:?} is not understood: this is no Prometheus, it answers ALERTS and ALERTS{{label=\"value\",…}} alone, \
         with =, !=, =~ and !~"
    )
}

fn matcher(text: &mut Text<'_>) -> Result<Matcher, String> {
    let place = text.before();
    let label = text
        .name()
        .ok_or_else(|| format!("a label is expected {place}"))?;
    if label == "__name__" {
        return Err("the name stands before the \"{\" and nowhere else".into());
    }
    // The longer signs first.
    let signs = [("=~", true), ("!~", true), ("!=", false), ("=", false)];
    let (sign, is_pattern) = signs
        .into_iter()
        .find(|(sign, _)| text.take(sign))
        .ok_or_else(|| format!("=, !=, =~ or !~ is expected {}", text.before()))?;
    let value = text.string()?;
    let test = if is_pattern {
        Test::Like(pattern(&value)?)
    } else {
        Test::Is(value)
    };
    Ok(Matcher {
        label: label.to_owned(),
        test,
        wanted: !sign.starts_with('!'),
    })
}

/// A pattern that has to match the whole value.
fn pattern(text: &str) -> Result<Regex, String> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(PATTERN).build();
    let refused = |error| format!("the pattern {text:?} is not understood: {error}");
    // By itself at first: "a)|(b" would become another one between the brackets.
    compile(text).map_err(refused)?;
    compile(&format!("^(?:{text})$")).map_err(refused)
}

/// What is left of a query.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn rest(&mut self) -> &'a str {
        self.0 = self.0.trim_start();
        self.0
    }

    /// Where we are, for a message.
    fn before(&mut self) -> String {
        match self.rest() {
            "" => "at the end".into(),
            rest => format!("before {:?}", rest.chars().take(30).collect::<String>()),
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        match self.rest().strip_prefix(sign) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// The name of a metric or a label.
    fn name(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        Some(name)
    }

    /// A text in quotes. Between backquotes nothing is special.
    fn string(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let quote = rest
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\'' | '`'));
        let Some(quote) = quote else {
            return Err(format!("a text in quotes is expected {}", self.before()));
        };
        let mut said = String::new();
        let mut signs = rest.char_indices().skip(1);
        while let Some((at, sign)) = signs.next() {
            if sign == quote {
                self.0 = &rest[at + 1..];
                return Ok(said);
            }
            if sign != '\\' || quote == '`' {
                said.push(sign);
                continue;
            }
            match signs.next() {
                Some((_, it @ ('\\' | '"' | '\''))) => said.push(it),
                Some((_, 'n')) => said.push('\n'),
                Some((_, 't')) => said.push('\t'),
                Some((_, it)) => {
                    return Err(format!(
                        "\"\\{it}\" in a text is not understood; a backslash is \"\\\\\""
                    ));
                }
                None => break,
            }
        }
        Err(format!(
            "a text has no end: {:?}",
            rest.chars().take(30).collect::<String>()
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the alert `disk_usage` on web1 with this state is to the query.
    fn admits(query: &str) -> Result<bool, String> {
        let selector = Selector::parse(query)?;
        Ok(selector.admits(|label| match label {
            "alertname" => "disk_usage",
            "alertstate" => "firing",
            "host" => "web1",
            "item" => r"disk_usage:C:\",
            _ => "",
        }))
    }

    #[test]
    fn matchers_mean_what_they_mean_to_prometheus() {
        for (query, expected) in [
            ("ALERTS", true),
            (" ALERTS { } ", true),
            (r#"ALERTS{alertstate="firing"}"#, true),
            (r#"ALERTS{alertstate="pending"}"#, false),
            (r#"ALERTS{ alertstate = 'firing' , host != "web2", }"#, true),
            (r#"ALERTS{host=~"web.*"}"#, true),
            // A pattern matches the whole value.
            (r#"ALERTS{host=~"web"}"#, false),
            (r#"ALERTS{host=~"db|web1"}"#, true),
            (r#"ALERTS{host=~"we|b1"}"#, false),
            (r#"ALERTS{alertname!~"reboot_required|disk_.*"}"#, false),
            // A label that is not there is empty.
            (r#"ALERTS{team=""}"#, true),
            (r#"ALERTS{team!=""}"#, false),
            (r#"ALERTS{team=~".+"}"#, false),
            (r#"ALERTS{item="disk_usage:C:\\"}"#, true),
            (r"ALERTS{item=`disk_usage:C:\`}", true),
            (r#"ALERTS{item=~"disk_usage:C:\\\\"}"#, true),
        ] {
            assert_eq!(admits(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn everything_else_is_an_error_and_no_empty_answer() {
        for query in [
            "",
            "up",
            "ALERTS_FOR_STATE",
            "ALERTS == 1",
            "ALERTS[5m]",
            "ALERTS offset 1h",
            "count(ALERTS)",
            "ALERTS{",
            "ALERTS{host}",
            "ALERTS{host=web1}",
            "ALERTS{host==\"web1\"}",
            "ALERTS{,}",
            "ALERTS{host=\"web1\"",
            "ALERTS{host=\"web1\" item=\"x\"}",
            "ALERTS{host=\"web1}",
            r#"ALERTS{host="\x41"}"#,
            r#"ALERTS{host=~"("}"#,
            r#"ALERTS{host=~"a)|(b"}"#,
            r#"ALERTS{host=~"((a{99}){99}){99}"}"#,
            r#"ALERTS{__name__="ALERTS"}"#,
            r#"{__name__="ALERTS"}"#,
        ] {
            assert!(admits(query).is_err(), "{query}");
        }
        let many = format!("ALERTS{{{}}}", "a=\"b\",".repeat(MOST + 1));
        assert!(admits(&many).unwrap_err().contains("at most 20"));
    }

    #[test]
    fn a_form_says_what_is_asked_and_for_when() {
        let asked =
            Asked::parse(b"query=ALERTS%7Ba%3D%22b%22%7D&time=1700000000.25&timeout=30s").unwrap();
        assert!(!asked.selector.admits(|_| "c"));
        assert_eq!(
            asked.at.map(Timestamp::as_millisecond),
            Some(1_700_000_000_250)
        );
        let asked =
            Asked::parse(b"time=2026-11-21T00:00:00Z&query=ALERTS&query=up&limit=0").unwrap();
        assert_eq!(asked.at, Some("2026-11-21T00:00:00Z".parse().unwrap()));
        assert_eq!(asked.limit, None);
        assert_eq!(
            Asked::parse(b"query=ALERTS&limit=3").unwrap().limit,
            Some(3)
        );
        for wrong in [
            "",
            "query=",
            "query=ALERTS&time=soon",
            "query=ALERTS&time=1e300",
            "query=ALERTS&limit=-1",
        ] {
            assert!(Asked::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_value_in_quotes_is_that_value(value in "[^\n\t]{0,20}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let selector = Selector::parse(&format!("ALERTS{{x=\"{quoted}\"}}")).unwrap();
            prop_assert!(selector.admits(|_| &value));
        }
    }
}
