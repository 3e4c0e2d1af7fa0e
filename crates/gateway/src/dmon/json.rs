//! The JSON of reports, events and states, read leniently and written in one way.
//!
//! dmon's manual says that a report is `{host:{item:{…},…},…}` and that an event has six attributes, and shows neither
//! in full. What is read here takes the spellings that are likely; what is written has one.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{
    EventKind, HostName, ItemName, ItemState, Level, LevelNames, Sample, Value, Verdict,
};
use serde_json::{Map, Value as Json, json};

use crate::seams::EventSaid;

/// Most items of one host in a report, and most events in one message.
pub const MOST_ITEMS: usize = 500;
/// Most hosts in one report: its sender, and those that it watches.
pub const MOST_HOSTS: usize = 65;
/// What is older than this is no news: the time of its arrival counts.
const OLDEST: SignedDuration = SignedDuration::from_hours(28 * 24);

const VALUE: [&str; 5] = ["value", "val", "number", "num", "v"];
const LEVEL: [&str; 6] = ["level", "fitness", "fit", "lvl", "cur", "current"];
const TIME: [&str; 6] = ["time", "stamp", "at", "tm", "date", "t"];
const TEXT: [&str; 6] = ["text", "message", "msg", "why", "info", "note"];
const UNIT: [&str; 1] = ["unit"];
const HOST: [&str; 3] = ["host", "hostname", "client"];
const ITEM: [&str; 3] = ["item", "name", "probe"];

/// An answer: `resp` first, since that is what scripts look for, then the rest as it comes.
#[must_use]
pub fn said<'a>(resp: &str, more: impl IntoIterator<Item = (&'a str, Json)>) -> String {
    let mut text = format!("{{\"resp\":{}", json!(resp));
    for (key, value) in more {
        text.push_str(&format!(",{}:{value}", json!(key)));
    }
    text.push('}');
    text
}

/// One item of a report or event, before anybody has judged whose it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Which item, in our letters.
    pub item: ItemName,
    /// When, if it says so.
    pub at: Option<Timestamp>,
    /// What was found.
    pub value: Value,
    /// The level as it was written: a word or a number.
    pub level: Option<String>,
    /// What is said of it.
    pub text: String,
}

/// Reads a report: hosts by name with their items.
///
/// # Errors
/// In words.
pub fn report(text: &str) -> Result<Vec<(HostName, Vec<Heard>)>, String> {
    let json: Json =
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let Json::Object(hosts) = json else {
        return Err("a report looks like {\"HOST\":{\"ITEM\":{…}}}".into());
    };
    if hosts.len() > MOST_HOSTS {
        return Err(format!("at most {MOST_HOSTS} hosts are taken at once"));
    }
    let mut said = Vec::new();
    for (name, items) in hosts {
        let host = host(&name)?;
        let Json::Object(items) = items else {
            return Err(format!("the items of {host} are not an object"));
        };
        if items.len() > MOST_ITEMS {
            return Err(format!("{host} has more than {MOST_ITEMS} items"));
        }
        let heard = items.into_iter().map(|(name, about)| heard(&name, about));
        said.push((host, heard.collect::<Result<_, _>>()?));
    }
    Ok(said)
}

/// Reads a list of events, oldest first by their times. Each is an object or the six attributes in their order: time,
/// host, item, level, level before, value or text. A single one needs no list around it.
///
/// # Errors
/// In words.
pub fn events(text: &str) -> Result<Vec<(HostName, Vec<Heard>)>, String> {
    let json: Json =
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let list = match json {
        Json::Object(mut object) => match object.remove("events") {
            Some(Json::Array(list)) => list,
            Some(_) => return Err("\"events\" is not a list".into()),
            None => vec![Json::Object(object)],
        },
        Json::Array(list) if list.iter().all(|it| it.is_array() || it.is_object()) => list,
        one @ Json::Array(_) => vec![one],
        _ => return Err("events are a list".into()),
    };
    if list.len() > MOST_ITEMS {
        return Err(format!("at most {MOST_ITEMS} events are taken at once"));
    }
    let mut said: Vec<(HostName, Vec<Heard>)> = Vec::new();
    for event in list {
        let (host, heard) = event_of(event)?;
        match said.iter_mut().find(|(known, _)| *known == host) {
            Some((_, of_host)) => of_host.push(heard),
            None => said.push((host, vec![heard])),
        }
    }
    for (_, of_host) in &mut said {
        of_host.sort_by_key(|heard| heard.at);
    }
    Ok(said)
}

fn event_of(event: Json) -> Result<(HostName, Heard), String> {
    let six = "an event has six attributes: time, host, item, level, level before, value or text";
    let mut object = match event {
        Json::Object(object) => object,
        Json::Array(attributes) if attributes.len() == 6 => {
            let keys = ["time", "host", "item", "level", "previous", "value"];
            keys.into_iter().map(String::from).zip(attributes).collect()
        }
        _ => return Err(six.into()),
    };
    let mut word = |keys: &[&str]| match take(&mut object, keys) {
        Some(Json::String(text)) => Ok(text),
        _ => Err(six.to_owned()),
    };
    let (name, item) = (host(&word(&HOST)?)?, word(&ITEM)?);
    Ok((name, heard(&item, Json::Object(object))?))
}

fn host(name: &str) -> Result<HostName, String> {
    HostName::parse(&name.to_ascii_lowercase()).map_err(|error| error.to_string())
}

/// One item. A bare number or text is its value, a list is value, level, time and text.
fn heard(name: &str, about: Json) -> Result<Heard, String> {
    let mut object = match about {
        Json::Object(object) => object,
        Json::Array(list) => {
            let keys = ["value", "level", "time", "text"].map(String::from);
            keys.into_iter().zip(list).collect()
        }
        bare => Map::from_iter([("value".to_owned(), bare)]),
    };
    let said = take(&mut object, &LEVEL);
    let level = said.and_then(|level| match level {
        Json::String(word) => Some(word),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let text = take(&mut object, &TEXT);
    let text = text.as_ref().and_then(Json::as_str).unwrap_or_default();
    let unit = take(&mut object, &UNIT);
    let unit = unit.as_ref().and_then(Json::as_str).unwrap_or_default();
    Ok(Heard {
        item: item_name(name)?,
        at: take(&mut object, &TIME).and_then(|time| moment(&time)),
        value: value(take(&mut object, &VALUE), text, unit),
        level,
        text: cut(text, Value::LONGEST_TEXT),
    })
}

/// The first of some keys that is there.
fn take(object: &mut Map<String, Json>, keys: &[&str]) -> Option<Json> {
    keys.iter().find_map(|key| object.remove(*key))
}

fn value(said: Option<Json>, text: &str, unit: &str) -> Value {
    let number = |value: f64| Value::Number {
        value,
        unit: cut(unit, 16),
    };
    match said {
        Some(Json::Number(it)) => it.as_f64().map_or(Value::None("no number".into()), number),
        Some(Json::Bool(is)) => number(f64::from(u8::from(is))),
        Some(Json::String(it)) => match it.trim().parse::<f64>() {
            Ok(it) if it.is_finite() => number(it),
            _ => Value::Text(cut(&it, Value::LONGEST_TEXT)),
        },
        _ if text.is_empty() => Value::None("the host says no value".into()),
        _ => Value::Text(cut(text, Value::LONGEST_TEXT)),
    }
}

/// Seconds since 1970, also as text, or an RFC 3339 time.
fn moment(said: &Json) -> Option<Timestamp> {
    let seconds = match said {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => match text.trim().parse::<f64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => return text.trim().parse().ok(),
        },
        _ => None,
    };
    let seconds = seconds.filter(|it| it.is_finite() && (0.0..1e11).contains(it))?;
    Timestamp::from_millisecond((seconds * 1_000.0) as i64).ok()
}

/// An item's name in our letters: what stands before the first colon has letters, digits and `_`.
fn item_name(text: &str) -> Result<ItemName, String> {
    let (probe, object) = text
        .split_once(':')
        .map_or((text, None), |(probe, object)| (probe, Some(object)));
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut name: String = probe.chars().map(plain).collect();
    if let Some(object) = object {
        name.push(':');
        name.extend(object.chars().filter(|c| !c.is_control()));
    }
    ItemName::parse(&name)
}

/// The beginning of a text, in whole characters.
fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    text[..end.unwrap_or(0)].to_owned()
}

/// The level of a word or number: one of the fleet's names, one of dmon's, or a rank.
#[must_use]
pub fn level(word: &str, names: &LevelNames) -> Option<Level> {
    let word = word.trim().to_lowercase();
    let of_fleet = Level::ALL
        .into_iter()
        .find(|level| names.name(*level).to_lowercase() == word);
    let of_dmon = || match word.as_str() {
        "crit" => Some(Level::CRITICAL),
        other => Level::ALL.into_iter().find(|level| level.name() == other),
    };
    let rank = || {
        let rank = word
            .parse::<f64>()
            .ok()
            .filter(|rank| rank.fract() == 0.0)?;
        Level::ALL
            .into_iter()
            .find(|level| f64::from(level.rank()) == rank)
    };
    of_fleet.or_else(of_dmon).or_else(rank)
}

/// What a host said as samples with verdicts. Times in the future are now.
#[must_use]
pub fn samples(heard: Vec<Heard>, names: &LevelNames, now: Timestamp) -> Vec<Sample> {
    let fresh = |at: &Timestamp| *at <= now && now.duration_since(*at) <= OLDEST;
    let sample = |heard: Heard| Sample {
        host: None,
        item: heard.item,
        at: heard.at.filter(fresh).unwrap_or(now),
        value: heard.value,
        verdict: heard
            .level
            .and_then(|word| level(&word, names))
            .map(|level| Verdict {
                level,
                why: heard.text,
            }),
    };
    heard.into_iter().map(sample).collect()
}

/// A host's items, as REPORT and CLIENTS have them:
/// `{ITEM:{"value":…,"unit":…,"level":WORD,"time":SECONDS,"since":SECONDS,"text":…}}`. `time` is when the host was heard
/// of, so that it ages when the host falls silent; `since` is how long the item has had its level.
#[must_use]
pub fn items<'a>(
    items: impl IntoIterator<Item = &'a ItemState>,
    names: &LevelNames,
    time: Option<Timestamp>,
) -> Json {
    let time = time.map(Timestamp::as_second);
    let state = |state: &ItemState| {
        let (value, unit) = plain(&state.value);
        let text = if state.no_data && state.why.is_empty() {
            "no data"
        } else {
            &state.why
        };
        let said = json!({
            "value": value, "unit": unit, "level": names.name(state.level),
            "time": time, "since": state.since.as_second(), "text": text,
        });
        (state.item.to_string(), said)
    };
    Json::Object(items.into_iter().map(state).collect())
}

/// An event with its six attributes. Only changes of levels are events of dmon.
#[must_use]
pub fn event(said: &EventSaid, names: &LevelNames) -> Option<Json> {
    let event = &said.event;
    if event.kind != EventKind::Level {
        return None;
    }
    Some(json!({
        "time": event.at.as_second(), "host": event.host, "item": event.item,
        "level": names.name(event.to), "previous": names.name(event.from), "value": plain(&event.value).0,
    }))
}

fn plain(value: &Value) -> (Json, &str) {
    match value {
        Value::Number { value, unit } => (json!(value), unit),
        Value::Text(text) => (json!(text), ""),
        Value::None(_) => (Json::Null, ""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Heard {
        let report = report(text).unwrap();
        report[0].1[0].clone()
    }

    fn number(value: f64, unit: &str) -> Value {
        Value::Number {
            value,
            unit: unit.into(),
        }
    }

    #[test]
    fn items_are_read_in_many_spellings() {
        let at = |seconds| Some(Timestamp::from_second(seconds).unwrap());
        for (item, value, level, time, text) in [
            (
                r#"{"value":1.5,"level":"sick","time":1700000000,"text":"high","unit":"%"}"#,
                number(1.5, "%"),
                Some("sick"),
                at(1_700_000_000),
                "high",
            ),
            (
                r#"{"val":"42","fit":3,"stamp":"1700000000","msg":"m"}"#,
                number(42.0, ""),
                Some("3"),
                at(1_700_000_000),
                "m",
            ),
            (
                r#"{"value":"up 3 days","level":"fine","at":"2023-11-14T22:13:20Z"}"#,
                Value::Text("up 3 days".into()),
                Some("fine"),
                at(1_700_000_000),
                "",
            ),
            (
                r#"{"text":"only words","level":null}"#,
                Value::Text("only words".into()),
                None,
                None,
                "only words",
            ),
            ("7", number(7.0, ""), None, None, ""),
            (
                r#"[7,"soso",1700000000,"t"]"#,
                number(7.0, ""),
                Some("soso"),
                at(1_700_000_000),
                "t",
            ),
            (
                "null",
                Value::None("the host says no value".into()),
                None,
                None,
                "",
            ),
            (
                r#"{"value":true,"time":-5}"#,
                number(1.0, ""),
                None,
                None,
                "",
            ),
        ] {
            let heard = one(&format!(r#"{{"Web1":{{"disk usage:/var":{item}}}}}"#));
            assert_eq!(heard.item.as_str(), "disk_usage:/var");
            assert_eq!(
                (
                    heard.value,
                    heard.level.as_deref(),
                    heard.at,
                    heard.text.as_str()
                ),
                (value, level, time, text),
                "{item}"
            );
        }
    }

    #[test]
    fn levels_are_words_or_ranks() {
        let own = ["gut", "naja", "krank", "kritisch", "tot"].map(String::from);
        let own = LevelNames::parse(&own).unwrap();
        for (word, expected) in [
            ("Krank", Some(Level::SICK)),
            ("sick", Some(Level::SICK)),
            ("crit", Some(Level::CRITICAL)),
            ("4", Some(Level::DEAD)),
            ("0", Some(Level::FINE)),
            ("5", None),
            ("-1", None),
            ("1.5", None),
            ("ill", None),
        ] {
            assert_eq!(level(word, &own), expected, "{word}");
        }
    }

    #[test]
    fn events_are_lists_of_six() {
        let two = r#"[[1700000060,"web1","load","fine","sick",0.5],{"time":1700000000,"host":"web1","item":"load","level":"sick","previous":"fine","value":9}]"#;
        for text in [two.to_owned(), format!("{{\"events\":{two}}}")] {
            let events = events(&text).unwrap();
            assert_eq!(events.len(), 1);
            let levels: Vec<_> = events[0].1.iter().map(|it| it.level.as_deref()).collect();
            assert_eq!(
                levels,
                [Some("sick"), Some("fine")],
                "the older one comes first"
            );
        }
        assert_eq!(
            events(r#"[1700000000,"web1","load",2,0,"x"]"#).unwrap()[0]
                .1
                .len(),
            1
        );
        assert_eq!(events("[]").unwrap(), []);
        for bad in [
            "",
            "7",
            r#"[[1,"web1","load"]]"#,
            r#"[{"host":"web1"}]"#,
            r#"[[1,"../x","load",0,0,0]]"#,
        ] {
            assert!(events(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let many: Map<String, Json> = (0..=MOST_ITEMS)
            .map(|it| (format!("i{it}"), json!(1)))
            .collect();
        for bad in [
            String::new(),
            "{".into(),
            "[]".into(),
            r#"{"web1":5}"#.into(),
            r#"{"web 1":{}}"#.into(),
            r#"{"web1":{"":1}}"#.into(),
            json!({ "web1": many }).to_string(),
            "[".repeat(100_000),
        ] {
            assert!(report(&bad).is_err(), "{}", cut(&bad, 60));
        }
    }

    #[test]
    fn times_beyond_reason_are_now() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let at = |seconds: i64| {
            let text =
                format!(r#"{{"web1":{{"load":{{"value":1,"time":{seconds},"level":"dead"}}}}}}"#);
            samples(
                report(&text).unwrap().remove(0).1,
                &LevelNames::default(),
                now,
            )
            .remove(0)
            .at
            .as_second()
        };
        assert_eq!(at(1_699_999_000), 1_699_999_000);
        assert_eq!(at(1_700_000_001), 1_700_000_000);
        assert_eq!(at(1_600_000_000), 1_700_000_000);
        assert_eq!(at(99_999_999_999_999), 1_700_000_000);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,200}", item in "\\PC{0,300}") {
            let _ = (report(&text), events(&text), item_name(&item), cut(&text, item.len()));
            let nested = json!({ "web1": { item: { "value": text.clone(), "level": text.clone(), "time": text } } });
            if let Ok(said) = report(&nested.to_string()) {
                let _ = samples(said[0].1.clone(), &LevelNames::default(), Timestamp::UNIX_EPOCH);
            }
        }
    }
}
