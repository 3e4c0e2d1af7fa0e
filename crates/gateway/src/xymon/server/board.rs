//! `xymondboard`, `hostinfo` and `query`: what tools read (xymon(1)).
//!
//! A line of the board is an item of a host, as the server judges it. Statuses that were sent to us are items named
//! `xymon:TEST`, and are shown as `TEST`, in the colour that they were sent in while they hold.

use std::net::IpAddr;

use jiff::Timestamp;
use regex_lite::{Regex, RegexBuilder};

use super::status::{Color, Kept};
use crate::seams::HostSaid;

/// Longest expression of a criterion, in bytes.
const LONGEST: usize = 200;
/// The fields that are shown if nothing is said.
const FIELDS: &str = "hostname,testname,color,flags,lastchange,logtime,validtime,acktime,disabletime,sender,cookie,line1";

/// A line of the board.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The host.
    pub host: String,
    /// Its address, as `hosts.cfg` has it.
    pub address: Option<IpAddr>,
    /// Its tags in there.
    pub tags: Vec<String>,
    /// Its page in there.
    pub page: String,
    /// The test.
    pub test: String,
    /// The colour.
    pub color: Color,
    /// Since when.
    pub since: Timestamp,
    /// When it was heard of last.
    pub at: Option<Timestamp>,
    /// Until when that holds.
    pub until: Option<Timestamp>,
    /// Who said it.
    pub sender: Option<IpAddr>,
    /// What it says.
    pub line: String,
    /// When the host's client reported last.
    pub client: Option<Timestamp>,
}

/// The tests of one host: name, colour, and what is known of each.
#[must_use]
pub fn rows<'a>(
    said: &'a HostSaid,
    kept: impl Fn(&str) -> Option<&'a Kept>,
    now: Timestamp,
) -> Vec<Row> {
    let row = |item: &lockstep_model::ItemState| {
        let name = item.item.as_str();
        let test = name.strip_prefix("xymon:").unwrap_or(name);
        let kept = name.strip_prefix("xymon:").and_then(&kept);
        let color = match kept {
            Some(kept) => kept.color_at(now),
            None if said.silent || item.no_data => Color::Purple,
            None => Color::of(item.level),
        };
        let line = match kept {
            Some(kept) => kept.line.clone(),
            None if item.why.is_empty() => item.value.to_string(),
            None => format!("{}: {}", item.value, item.why),
        };
        Row {
            host: said.host.to_string(),
            address: None,
            tags: Vec::new(),
            page: String::new(),
            test: test.to_owned(),
            color,
            since: kept.map_or(item.since, |kept| kept.since),
            at: kept.map(|kept| kept.at).or(said.last_seen),
            until: kept.map(|kept| kept.until),
            sender: kept.map(|kept| kept.sender),
            line: format!("{} {line}", color.as_str()).trim_end().to_owned(),
            client: None,
        }
    };
    said.items.iter().map(row).collect()
}

/// Which lines are asked for, and what of them.
#[derive(Debug, Clone)]
pub struct Criteria {
    filters: Vec<Filter>,
    fields: Vec<String>,
}

#[derive(Debug, Clone)]
enum Filter {
    Host(Regex),
    Test(Regex),
    Page(Regex),
    Address(Regex),
    Message(Regex),
    Tag(String),
    Colors(Vec<String>),
}

impl Criteria {
    /// Parses `host=… test=… page=… ip=… msg=… tag=… color=A,B fields=A,B`.
    ///
    /// # Errors
    /// In words, for a criterion that we do not know: an answer that leaves it out would be a wrong one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut filters = Vec::new();
        let mut fields = FIELDS;
        for word in text.split_ascii_whitespace() {
            let Some((key, value)) = word.split_once('=') else {
                return Err(format!("{word:?} is no criterion such as host=NAME"));
            };
            filters.push(match key {
                "fields" => {
                    fields = value;
                    continue;
                }
                "host" => Filter::Host(expression(value)?),
                "test" => Filter::Test(expression(value)?),
                "page" => Filter::Page(expression(value)?),
                "ip" => Filter::Address(expression(value)?),
                "msg" => Filter::Message(expression(value)?),
                "tag" => Filter::Tag(value.to_owned()),
                "color" => Filter::Colors(value.split(',').map(str::to_owned).collect()),
                _ => return Err(format!("{key:?} is not a criterion that we know")),
            });
        }
        let fields = fields.split(',').map(str::to_owned).collect();
        Ok(Self { filters, fields })
    }

    /// True if a line is asked for.
    #[must_use]
    pub fn wants(&self, row: &Row) -> bool {
        self.wants_host(&row.host, row.address, &row.page, &row.tags)
            && self.filters.iter().all(|filter| match filter {
                Filter::Test(regex) => regex.is_match(&row.test),
                Filter::Message(regex) => regex.is_match(&row.line),
                Filter::Colors(colors) => colors.iter().any(|it| it == row.color.as_str()),
                _ => true,
            })
    }

    /// True if a host is asked for.
    #[must_use]
    pub fn wants_host(
        &self,
        host: &str,
        address: Option<IpAddr>,
        page: &str,
        tags: &[String],
    ) -> bool {
        self.filters.iter().all(|filter| match filter {
            Filter::Host(regex) => regex.is_match(host),
            Filter::Page(regex) => regex.is_match(page),
            Filter::Address(regex) => regex.is_match(&shown(address)),
            Filter::Tag(tag) => tags.iter().any(|it| it.starts_with(tag.as_str())),
            _ => true,
        })
    }

    /// A line of the board, with its newline.
    #[must_use]
    pub fn line(&self, row: &Row) -> String {
        let fields: Vec<String> = self.fields.iter().map(|name| field(row, name)).collect();
        fields.join("|") + "\n"
    }
}

/// What `xymondlog` answers.
#[must_use]
pub fn log(row: &Row) -> String {
    let names = "hostname,testname,color,flags,lastchange,logtime,validtime,acktime,disabletime,sender,cookie,ackmsg,dismsg,client,modifiers";
    let fields: Vec<String> = names.split(',').map(|name| field(row, name)).collect();
    format!("{}\n{}\n", fields.join("|"), row.line)
}

fn field(row: &Row, name: &str) -> String {
    let seconds = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_second).to_string();
    match name {
        "hostname" | "XMH_HOSTNAME" => row.host.clone(),
        "testname" => escaped(&row.test),
        "color" => row.color.as_str().to_owned(),
        "lastchange" => row.since.as_second().to_string(),
        "logtime" => seconds(row.at),
        "validtime" => seconds(row.until),
        "acktime" | "disabletime" | "stats" => "0".to_owned(),
        "sender" => row
            .sender
            .map(|address| address.to_string())
            .unwrap_or_default(),
        "line1" | "msg" => escaped(&row.line),
        "ip" | "XMH_IP" => shown(row.address),
        "XMH_PAGEPATH" => escaped(&row.page),
        "client" => if row.client.is_some() { "Y" } else { "N" }.to_owned(),
        "clntstamp" => seconds(row.client),
        // Acknowledgements, flags of network tests and so on: we have none.
        _ => String::new(),
    }
}

fn shown(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string())
}

/// As Xymon writes texts in fields.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' => escaped.push_str("\\p"),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn expression(text: &str) -> Result<Regex, String> {
    if text.len() > LONGEST {
        return Err(format!("an expression has at most {LONGEST} bytes"));
    }
    RegexBuilder::new(text)
        .case_insensitive(true)
        .build()
        .map_err(|error| format!("{text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use lockstep_model::{HostName, ItemName, ItemState, Level, Value};
    use proptest::prelude::*;

    use super::*;

    fn said() -> HostSaid {
        let item = |name: &str, level, value| ItemState {
            item: ItemName::parse(name).unwrap(),
            value,
            level,
            since: Timestamp::from_second(100).unwrap(),
            why: String::new(),
            no_data: false,
            flapping: false,
            pending: None,
        };
        HostSaid {
            host: HostName::parse("www.example.org").unwrap(),
            last_seen: Timestamp::from_second(500).ok(),
            silent: false,
            items: vec![
                item(
                    "cpu_load",
                    Level::SICK,
                    Value::Number {
                        value: 7.0,
                        unit: String::new(),
                    },
                ),
                item("xymon:conn", Level::FINE, Value::Text("a|b".into())),
            ],
            installed: Vec::new(),
        }
    }

    #[test]
    fn items_are_tests_and_statuses_keep_their_colour() {
        let kept = Kept {
            color: Color::Blue,
            line: "off | by hand".into(),
            since: Timestamp::from_second(50).unwrap(),
            at: Timestamp::from_second(400).unwrap(),
            until: Timestamp::from_second(2_200).unwrap(),
            sender: "192.0.2.9".parse().unwrap(),
            told: false,
        };
        let said = said();
        let now = Timestamp::from_second(600).unwrap();
        let rows = rows(&said, |test| (test == "conn").then_some(&kept), now);
        let all = Criteria::parse("").unwrap();
        let lines: String = rows.iter().map(|row| all.line(row)).collect();
        assert_eq!(
            lines,
            "www.example.org|cpu_load|yellow||100|500|0|0|0|||yellow 7.00\n\
             www.example.org|conn|blue||50|400|2200|0|0|192.0.2.9||blue off \\p by hand\n"
        );
        for (criteria, expected) in [
            ("host=^WWW\\. test=conn", "conn"),
            ("color=red,yellow", "cpu_load"),
            ("msg=hand fields=testname", "conn"),
            ("host=other", ""),
            ("ip=^0", "cpu_load,conn"),
            ("tag=x", ""),
        ] {
            let criteria = Criteria::parse(criteria).unwrap();
            let tests: Vec<_> = rows.iter().filter(|row| criteria.wants(row)).collect();
            let tests: Vec<_> = tests.iter().map(|row| row.test.as_str()).collect();
            assert_eq!(tests.join(","), expected, "{criteria:?}");
        }
        assert!(Criteria::parse("XMH_OS=x").is_err() && Criteria::parse("host=(").is_err());
        assert!(log(&rows[1]).ends_with("|N|\nblue off | by hand\n"));
    }

    proptest! {
        #[test]
        fn no_criteria_make_it_panic(text in "\\PC{0,60}") {
            if let Ok(criteria) = Criteria::parse(&text) {
                for row in rows(&said(), |_| None, Timestamp::UNIX_EPOCH) {
                    let _ = (criteria.wants(&row), criteria.line(&row));
                }
            }
        }
    }
}
