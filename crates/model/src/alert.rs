//! The words of alerting: who is told, of what, when, and by which way.
//!
//! The rules come from the fleet file; the decisions over them are in `plan::alert`; the ways are in `notify`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Change, Glob, HostName, Hours, Interval, ItemName, Level, LevelNames, Op, RunId, Value,
};

/// Who is told of what: the alerting part of the fleet file, compiled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertRules {
    /// The names of the levels, for messages.
    pub levels: LevelNames,
    /// By which ways a user or a named receiver is reached.
    pub receivers: BTreeMap<String, Receiver>,
    /// The routes, in the order of the file.
    pub routes: Vec<Route>,
    /// How messages are gathered and repeated.
    pub pace: Pace,
}

/// One who can be told: a user of the fleet file, or a receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receiver {
    /// All of these are used.
    pub ways: Vec<Way>,
    /// The receiver that is told when a message could not be delivered here for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

/// A way by which a message leaves the server. What is secret (tokens, keys) is in files of the server, which are
/// only named here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "kebab-case")]
pub enum Way {
    /// Mail, by the SMTP server of the server's configuration.
    Mail {
        /// The address.
        to: String,
    },
    /// A JSON document in the shape of Alertmanager's webhook, version 4.
    Webhook {
        /// Where it is posted.
        url: String,
        /// File with the key for the signature header; none for no signature.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret_file: Option<String>,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// Its address, topic included: `https://ntfy.example.org/oncall`.
        url: String,
        /// File with the access token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_file: Option<String>,
    },
    /// Any HTTP service, with a body made from a template.
    Template {
        /// Where it is sent.
        url: String,
        /// `POST` or `PUT`.
        method: String,
        /// Headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// Headers whose values are in files, for secrets.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        header_files: BTreeMap<String, String>,
        /// The body; `{{subject}}`, `{{text}}` and so on stand for parts of the message.
        body: String,
    },
    /// A program on the server.
    Exec {
        /// The program and its arguments. No shell is involved.
        command: Vec<String>,
    },
}

/// One `[alert.NAME]` of the fleet file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Receivers by name.
    pub to: Vec<String>,
    /// Of what.
    pub when: When,
    /// Who is told in addition while nobody has acknowledged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
    /// Time to the first reminder, doubled for each further one up to a day; none for [`Pace::repeat`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Interval>,
}

/// Of what a route tells. What is empty matches everything.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct When {
    /// Hosts of these groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Hosts with these names.
    #[serde(default)]
    pub hosts: Vec<Glob>,
    /// These items.
    #[serde(default)]
    pub items: Vec<Glob>,
    /// It is a problem at these levels; none for sick and worse. What leaves them has recovered.
    #[serde(default)]
    pub level: Option<LevelTest>,
    /// Only if it came from these levels.
    #[serde(default)]
    pub from: Option<LevelTest>,
    /// Only if it went to these levels.
    #[serde(default)]
    pub to: Option<LevelTest>,
    /// Only in these hours; what happens outside of them and is still so when they begin is told then.
    #[serde(default)]
    pub hours: Option<Hours>,
}

/// A comparison with a level, as in `>= sick`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelTest {
    /// How.
    #[serde(with = "op")]
    pub op: Op,
    /// With which level.
    pub level: Level,
}

/// Who is told when nobody has acknowledged a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// After this time from the first message.
    pub after: Interval,
    /// Receivers by name.
    pub to: Vec<String>,
}

/// How messages are gathered and repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// A first message waits this long for others of its group.
    pub wait: Interval,
    /// Between two messages of one group there is at least this much time.
    pub interval: Interval,
    /// Time to the first reminder of a problem that nobody has acknowledged.
    pub repeat: Interval,
    /// A recovery is told only when it has lasted this long.
    pub settle: Interval,
    /// Most problems that one message lists; the others are counted.
    pub most: u32,
}

impl Default for Pace {
    /// 15 seconds, 5 minutes, 4 hours, 1 minute, 50.
    fn default() -> Self {
        Self {
            wait: Interval::from_secs(15),
            interval: Interval::from_secs(300),
            repeat: Interval::from_secs(4 * 3_600),
            settle: Interval::from_secs(60),
            most: 50,
        }
    }
}

/// A time in which alerts of some hosts or items are held back. What is held back is remembered, and judged at its
/// end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its identity.
    pub id: String,
    /// Which hosts; empty for all.
    #[serde(default)]
    pub hosts: Vec<Glob>,
    /// Hosts of which groups, in addition to `hosts`; with both empty all hosts are meant.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Which items; empty for all.
    #[serde(default)]
    pub items: Vec<Glob>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Who made it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The run whose lease it is: it ends with the run, or when the run gives no sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

impl Silence {
    /// Longest time a silence lasts.
    pub const LONGEST: Interval = Interval::from_secs(30 * 86_400);

    /// True if it is in force at that moment.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        (self.starts_at..self.ends_at).contains(&now)
    }
}

/// A person's word that somebody is on it. It holds for the level at which it was given, and better ones: worse is
/// news again. It ends when the problem does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    /// The host.
    pub host: HostName,
    /// The item.
    pub item: ItemName,
    /// The level that it had.
    pub level: Level,
    /// Who.
    pub by: String,
    /// What they said.
    pub note: String,
    /// When.
    pub at: Timestamp,
    /// Until when; none for until the problem ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An item that is not well, as the server knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// The host.
    pub host: HostName,
    /// The item.
    pub item: ItemName,
    /// Its level.
    pub level: Level,
    /// The level that it had before this one.
    #[serde(default)]
    pub from: Level,
    /// Its value.
    pub value: Value,
    /// Why it has that level.
    #[serde(default)]
    pub why: String,
    /// Since when it has it.
    pub since: Timestamp,
    /// There is no value.
    #[serde(default)]
    pub no_data: bool,
    /// It goes back and forth.
    #[serde(default)]
    pub flapping: bool,
    /// When the host said so last, by the server's clock.
    pub seen_at: Timestamp,
}

/// A message to one receiver, ready to be rendered for its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its identity: a delivery that is tried again carries the same one.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// The route's name; `test` for `alert test`.
    pub route: String,
    /// Messages with one thread belong together: mail programs show them as one conversation.
    pub thread: String,
    /// When it was decided.
    pub at: Timestamp,
    /// What it is about, the most important first.
    pub entries: Vec<NoticeEntry>,
    /// How many more there are that are not listed.
    pub more: u32,
    /// What the entries have in common, in words: a host that is silent, a release that they got, an item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The names of the levels.
    #[serde(default)]
    pub levels: LevelNames,
    /// Base address of the server's pages, for links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
}

/// One problem in a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoticeEntry {
    /// What is said of it.
    pub kind: NoticeKind,
    /// The host.
    pub host: HostName,
    /// The item.
    pub item: ItemName,
    /// Its level now.
    pub level: Level,
    /// The level that the receiver was told before; the best one if nothing.
    pub told: Level,
    /// Its value.
    pub value: Value,
    /// Why it has that level.
    #[serde(default)]
    pub why: String,
    /// Since when the problem exists.
    pub since: Timestamp,
    /// When it ended; for recoveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What was changed on the host just before, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The run that is thought to be the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// More in words: who acknowledged, which reminder it is, why it is told again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The host's groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What is said of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// It is there.
    Problem,
    /// It became worse.
    Worse,
    /// It became better, but is not over.
    Better,
    /// It is over: the closing message.
    Recovered,
    /// It is no longer watched, told or asked for: the closing message where nothing recovered.
    Cancelled,
    /// It is still there.
    Reminder,
    /// Nobody has acknowledged it.
    Escalated,
    /// Somebody has acknowledged it.
    Acknowledged,
    /// It begins to go back and forth; nothing more is said until it ends.
    Flapping,
    /// `alert test`.
    Test,
}

impl NoticeKind {
    /// The kind as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Recovered => "recovered",
            Self::Cancelled => "cancelled",
            Self::Reminder => "reminder",
            Self::Escalated => "escalated",
            Self::Acknowledged => "acknowledged",
            Self::Flapping => "flapping",
            Self::Test => "test",
        }
    }

    /// True for the message that ends what a problem message began.
    #[must_use]
    pub fn closes(self) -> bool {
        matches!(self, Self::Recovered | Self::Cancelled)
    }
}

impl LevelTest {
    /// True for these levels.
    #[must_use]
    pub fn holds(self, level: Level) -> bool {
        self.op
            .holds(f64::from(level.rank()), f64::from(self.level.rank()))
    }

    /// Parses `>= sick`, or a level's name alone.
    pub fn parse(text: &str, levels: &LevelNames) -> Result<Self, String> {
        let text = text.trim();
        let end = text
            .find(|c: char| !matches!(c, '<' | '>' | '=' | '!'))
            .unwrap_or(text.len());
        let (sign, name) = text.split_at(end);
        let op = if sign.is_empty() {
            Some(Op::Equal)
        } else {
            Op::parse(sign)
        };
        let level = levels.level(name.trim());
        match (op, level) {
            (Some(op), Some(level)) => Ok(Self { op, level }),
            _ => Err(format!(
                "{text:?} is not a test of a level, as in \">= {}\"; the levels are {}",
                levels.name(Level::SICK),
                levels.all().join(", ")
            )),
        }
    }
}

/// The operator as text.
mod op {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Op;

    pub(super) fn serialize<S: Serializer>(op: &Op, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(op.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Op, D::Error> {
        let text = String::deserialize(deserializer)?;
        Op::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no operator")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_tested_by_name() {
        let names = LevelNames::default();
        let test = |text| LevelTest::parse(text, &names).unwrap();
        assert!(test(">= sick").holds(Level::DEAD) && !test(">=sick").holds(Level::SOSO));
        assert!(test("fine").holds(Level::FINE) && !test("fine").holds(Level::SOSO));
        assert!(test("< critical").holds(Level::SICK));
        let error = LevelTest::parse(">= ill", &names).unwrap_err();
        assert!(error.contains("soso, sick"), "{error}");
        let json = serde_json::to_string(&test(">= sick")).unwrap();
        assert_eq!(json, r#"{"op":">=","level":2}"#);
    }
}
