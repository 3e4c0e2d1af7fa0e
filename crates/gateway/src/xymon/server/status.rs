//! A status message: the colour of one test of a host.

use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{ItemName, Level, Sample, Value, Verdict};

use super::command::host_and_test;

/// How long a status holds if it does not say so.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// The longest that one may hold.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// The colours of Xymon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Fine.
    Green,
    /// Worth a look.
    Yellow,
    /// Bad.
    Red,
    /// Nothing to say.
    Clear,
    /// Switched off by somebody.
    Blue,
    /// Nothing was heard for too long.
    Purple,
}

impl Color {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Clear => "clear",
            Self::Blue => "blue",
            Self::Purple => "purple",
        }
    }

    /// The colour of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Green,
            Self::Yellow,
            Self::Red,
            Self::Clear,
            Self::Blue,
            Self::Purple,
        ];
        all.into_iter().find(|color| color.as_str() == name)
    }

    /// The colour in which a level is shown. Xymon has three for our five.
    #[must_use]
    pub fn of(level: Level) -> Self {
        match level.rank() {
            0 => Self::Green,
            1 | 2 => Self::Yellow,
            _ => Self::Red,
        }
    }

    /// What the colour is worth; none where it says that nothing is known.
    #[must_use]
    pub fn level(self) -> Option<Level> {
        match self {
            Self::Green | Self::Clear | Self::Blue => Some(Level::FINE),
            Self::Yellow => Some(Level::SOSO),
            Self::Red => Some(Level::CRITICAL),
            Self::Purple => None,
        }
    }
}

/// What a status message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The host, with dots.
    pub host: String,
    /// The test.
    pub test: String,
    /// Its colour.
    pub color: Color,
    /// The first line behind the colour, at most [`Value::LONGEST_TEXT`] bytes.
    pub line: String,
    /// How long it holds.
    pub lifetime: Duration,
}

impl Said {
    /// Parses `status[+LIFETIME][/group:GROUP] HOST.TEST COLOR TEXT`. `client` instead of a colour, by which very old
    /// clients report, is not understood.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let line = message.split(|&byte| byte == b'\n').next()?;
        let line = line.get(..4 * Value::LONGEST_TEXT).unwrap_or(line);
        let line = String::from_utf8_lossy(line);
        let mut words = line.trim_end().splitn(4, [' ', '\t']);
        let verb = words.next()?.strip_prefix("status")?;
        let (host, test) = host_and_test(words.next()?)?;
        let color = Color::parse(words.next()?)?;
        let text = words.next().unwrap_or_default().trim_start();
        Some(Self {
            test: test.to_owned(),
            host,
            color,
            line: cut(text, Value::LONGEST_TEXT),
            lifetime: lifetime(verb)?,
        })
    }

    /// The item of a test: `xymon:conn`; none if the test's name cannot be one.
    #[must_use]
    pub fn item(test: &str) -> Option<ItemName> {
        ItemName::parse(&format!("xymon:{test}")).ok()
    }

    /// What it means for the host's item.
    #[must_use]
    pub fn sample(&self, at: Timestamp) -> Option<Sample> {
        let value = match self.color {
            Color::Purple => Value::None(if self.line.is_empty() {
                "purple".to_owned()
            } else {
                self.line.clone()
            }),
            _ => Value::Text(self.line.clone()),
        };
        let why = match self.color {
            Color::Yellow | Color::Red => format!("{}: {}", self.color.as_str(), self.line),
            _ => String::new(),
        };
        Some(Sample {
            host: None,
            item: Self::item(&self.test)?,
            at,
            value,
            verdict: self.color.level().map(|level| Verdict {
                level,
                why: cut(&why, 500),
            }),
        })
    }
}

/// `+30` (minutes), `+30m`, `+5h`, `+2d`, `+1w` and `/group:NAME` behind `status`.
fn lifetime(text: &str) -> Option<Duration> {
    let text = text.split('/').next().unwrap_or_default();
    if text.is_empty() {
        return Some(LIFETIME);
    }
    let text = text.strip_prefix('+')?;
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "" | "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// At most so many bytes of a text, in whole characters and without control characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut cut = String::new();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if cut.len() + c.len_utf8() > most {
            break;
        }
        cut.push(c);
    }
    cut
}

/// A status as it is remembered, for those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its colour when it came.
    pub color: Color,
    /// Its first line.
    pub line: String,
    /// Since when it has had its colour.
    pub since: Timestamp,
    /// When it came.
    pub at: Timestamp,
    /// Until when it holds.
    pub until: Timestamp,
    /// Who sent it.
    pub sender: IpAddr,
    /// True once the host's item was told that it holds no more.
    pub told: bool,
}

impl Kept {
    /// What is remembered after a message.
    #[must_use]
    pub fn after(before: Option<&Self>, said: &Said, sender: IpAddr, now: Timestamp) -> Self {
        let since = match before {
            Some(before) if before.color == said.color => before.since,
            _ => now,
        };
        let lifetime = SignedDuration::try_from(said.lifetime).unwrap_or(SignedDuration::MAX);
        Self {
            color: said.color,
            line: said.line.clone(),
            since,
            at: now,
            until: now.checked_add(lifetime).unwrap_or(Timestamp::MAX),
            sender,
            told: false,
        }
    }

    /// Its colour now.
    #[must_use]
    pub fn color_at(&self, now: Timestamp) -> Color {
        if now >= self.until {
            Color::Purple
        } else {
            self.color
        }
    }

    /// What the host's item is told when the status holds no more; none while it holds, and once that was told.
    #[must_use]
    pub fn over(&self, test: &str, now: Timestamp) -> Option<Sample> {
        if self.told || now < self.until {
            return None;
        }
        let minutes = (self.until.duration_since(self.at)).as_secs() / 60;
        Some(Sample {
            host: None,
            item: Said::item(test)?,
            at: now,
            value: Value::None(format!("no status for {minutes} min")),
            verdict: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_are_levels() {
        let said =
            Said::parse(b"status+2h/group:a www,example,org.http red Sat down | x\nmore").unwrap();
        assert_eq!(
            (said.host.as_str(), said.test.as_str()),
            ("www.example.org", "http")
        );
        assert_eq!(said.lifetime, Duration::from_secs(7_200));
        let sample = said.sample(Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(sample.item.as_str(), "xymon:http");
        assert_eq!(sample.value, Value::Text("Sat down | x".into()));
        assert_eq!(sample.verdict.unwrap().level, Level::CRITICAL);
        for (color, level) in [
            ("green", Some(Level::FINE)),
            ("yellow", Some(Level::SOSO)),
            ("blue", Some(Level::FINE)),
            ("clear", Some(Level::FINE)),
            ("purple", None),
        ] {
            let said = Said::parse(format!("status a.b {color}").as_bytes()).unwrap();
            let sample = said.sample(Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(sample.verdict.map(|it| it.level), level, "{color}");
            assert_eq!(matches!(sample.value, Value::None(_)), level.is_none());
        }
        for bad in [
            "status",
            "status a green",
            "status a.b pink",
            "status+x a.b green",
            "status+5y a.b green",
        ] {
            assert_eq!(Said::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_status_holds_for_its_time_and_its_end_is_told_once() {
        let said = Said::parse(b"status a.conn green ok").unwrap();
        let sender = "127.0.0.1".parse().unwrap();
        let begin = Timestamp::UNIX_EPOCH;
        let kept = Kept::after(None, &said, sender, begin);
        let later = begin + SignedDuration::from_mins(29);
        assert_eq!(
            (kept.over("conn", later), kept.color_at(later)),
            (None, Color::Green)
        );
        let again = Kept::after(Some(&kept), &said, sender, later);
        assert_eq!((again.since, again.at), (begin, later));
        let over = begin + SignedDuration::from_mins(30);
        let sample = kept.over("conn", over).unwrap();
        assert_eq!(sample.value, Value::None("no status for 30 min".into()));
        assert_eq!(kept.color_at(over), Color::Purple);
        let told = Kept { told: true, ..kept };
        assert_eq!(told.over("conn", over), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut message = b"status+".to_vec();
            message.extend_from_slice(&bytes);
            let _ = Said::parse(&message);
            if let Some(said) = Said::parse(&[&b"status a.b green "[..], &bytes].concat()) {
                prop_assert!(said.line.len() <= Value::LONGEST_TEXT && said.sample(Timestamp::UNIX_EPOCH).is_some());
            }
        }
    }
}
