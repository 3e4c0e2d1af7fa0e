//! Targets for what comes over the network from other systems' clients, and for the small languages of our own files.
//!
//! crates/gateway/tests/it/seeds.rs includes this file as it is, so each target also runs over its seeds with every
//! test. A target may assert what must hold of all that a parser lets pass.

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_gateway::dmon::{json, request, wire};
use lockstep_gateway::xymon::client::{Recipient, wanted_version};
use lockstep_gateway::xymon::message::Message;
use lockstep_gateway::xymon::sections;
use lockstep_gateway::xymon::server::board::Criteria;
use lockstep_gateway::xymon::server::client_local::{ClientLocal, Merge, select};
use lockstep_gateway::xymon::server::combo::{combo, extcombo};
use lockstep_gateway::xymon::server::command::Command;
use lockstep_gateway::xymon::server::files::{Line, Text};
use lockstep_gateway::xymon::server::hosts_cfg::HostsCfg;
use lockstep_gateway::xymon::server::status::Said;
use lockstep_gateway::{Senders, dlm_engine, fleetlock, foreman, package_repo, prometheus, rhq};
use lockstep_model::alert::LevelTest;
use lockstep_model::{
    BundleManifest, Capacity, Condition, ContentHash, Glob, HostName, Hours, Interval, ItemName,
    LevelNames, Need, PackageName, PackageVersion, Platform, Quantity, Range, Spread, Version,
};

/// A target by its name.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    ("alerts_query", alerts_query),
    ("bundle_manifest", bundle_manifest),
    ("client_local", client_local),
    ("dlm_engine", dlm_engine),
    ("dmon_request", dmon_request),
    ("fleetlock", fleetlock),
    ("foreman", foreman),
    ("hosts_cfg", hosts_cfg),
    ("rhq", rhq),
    ("senders", senders),
    ("words", words),
    ("xymon_message", xymon_message),
    ("xymon_sections", xymon_sections),
];

/// What is computed for nothing else than that it can be.
pub(crate) fn used<T>(value: T) {
    drop(black_box(value));
}

/// The form that kured sends, and the query in it.
fn alerts_query(data: &[u8]) {
    let labels = |label: &str| if label == "host" { "web1" } else { "" };
    if let Ok(asked) = prometheus::Asked::parse(data) {
        used(asked.selector.admits(labels));
    }
    if let Ok(selector) = prometheus::Selector::parse(&String::from_utf8_lossy(data)) {
        used(selector.admits(labels));
    }
}

/// `bundle.toml` of a bundle. What was read can be written, and reads as the same.
fn bundle_manifest(data: &[u8]) {
    let Ok(manifest) = BundleManifest::parse(&String::from_utf8_lossy(data)) else {
        return;
    };
    let text = manifest.to_toml().expect("what was read can be written");
    let again = BundleManifest::parse(&text).expect("what was written can be read");
    assert_eq!(again, manifest);
}

/// Lists of addresses and networks.
fn senders(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(senders) = Senders::parse(text.lines()) {
        let shown = senders.to_string();
        let again = Senders::parse(shown.split(", ").filter(|it| !it.is_empty()));
        assert_eq!(again.as_ref(), Ok(&senders), "{shown}");
    }
}

/// The small languages of the fleet file. What is shown of a word reads as the same word.
fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.as_ref();
    if let Ok(interval) = Interval::parse(text) {
        assert_eq!(Interval::parse(&interval.to_string()), Ok(interval));
    }
    if let Ok(version) = Version::parse(text) {
        assert_eq!(Version::parse(&version.to_string()).ok(), Some(version));
    }
    if let Ok(hash) = ContentHash::parse(text) {
        assert_eq!(ContentHash::parse(&hash.to_string()), Ok(hash));
    }
    if let Ok(glob) = Glob::parse(text) {
        used(glob.matches("web1.example.org"));
        used(glob.matches(text));
    }
    if let Ok(hours) = Hours::parse(text, "Europe/Berlin") {
        let now = now();
        used(hours.contain(now));
        if let Some(opening) = hours.next_opening(now) {
            assert!(hours.contain(opening), "{text:?} at {opening}");
        }
    }
    let levels = LevelNames::default();
    used(LevelTest::parse(text, &levels));
    used(Need::parse(text, &levels));
    used(Capacity::parse(text));
    used(Condition::parse(text));
    used(HostName::parse(text));
    used(ItemName::parse(text));
    used(PackageName::parse(text));
    used(PackageVersion::parse(text));
    used(Platform::parse(text));
    used(Quantity::parse(text));
    used(Range::parse(text));
    used(Spread::parse(text));
}

/// Some moment, the same in each run.
fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("it is a moment")
}

/// A configuration file of Xymon that includes no other.
fn text(data: &[u8]) -> Text {
    let file: Arc<Path> = Path::new("fuzzed.cfg").into();
    let lines = data.split(|&byte| byte == b'\n').enumerate();
    let line = |(at, text): (usize, &[u8])| Line {
        text: text.to_vec(),
        file: Arc::clone(&file),
        number: at + 1,
    };
    Text {
        lines: lines.map(line).collect(),
        ..Text::default()
    }
}

/// What a Xymon client or reader sends: its command, and the messages in it.
fn xymon_message(data: &[u8]) {
    let parts = [combo(data), extcombo(data)].concat();
    assert!(
        parts.iter().map(|part| part.len()).sum::<usize>() <= 2 * data.len(),
        "no part is there twice"
    );
    for message in parts.into_iter().chain([data]) {
        let command = Command::parse(message);
        assert!(!command.name().is_empty());
        if let Command::Board(asked) | Command::HostInfo(asked) = &command
            && let Ok(criteria) = Criteria::parse(asked)
        {
            used(criteria.wants_host("web1", None, "a/b", &["CLASS:x".to_owned()]));
        }
        if let Some(said) = Said::parse(message) {
            used(said.sample(now()));
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(Some(version)) = wanted_version(data) {
        assert!(
            !version.contains('/'),
            "{version:?} becomes the name of a file"
        );
    }
    if let Ok(recipient) = Recipient::parse(&text) {
        assert_eq!(
            Recipient::parse(&recipient.to_string()).as_ref(),
            Ok(&recipient)
        );
    }
}

/// What the sections of a client message say.
fn xymon_sections(data: &[u8]) {
    let message = Message::parse(data);
    let bodies: usize = message.sections().map(|section| section.body.len()).sum();
    assert!(bodies <= data.len(), "no byte belongs to two sections");
    let os = message.head().map_or("linux", |head| head.os);
    for os in [os, "linux", "bbwin", "powershell"] {
        assert!(sections::samples(os, &message, now()).len() <= sections::MOST);
    }
    used(sections::facts(&message));
    used(sections::version(&message));
    used(sections::boot(&message));
}

/// `client-local.cfg`.
fn client_local(data: &[u8]) {
    let (all, _) = ClientLocal::parse(&text(data));
    for merge in [Merge::First, Merge::All] {
        let block = select(&all, "web1.example.org", Some("web"), "linux", merge);
        assert!(
            block.len() <= data.len() + 1,
            "nothing is sent that is not there"
        );
    }
}

/// `hosts.cfg`.
fn hosts_cfg(data: &[u8]) {
    let (all, _) = HostsCfg::parse(&text(data));
    for entry in all.all() {
        assert!(all.find(entry.host.as_str()).is_some(), "{}", entry.host);
        used(all.class(entry));
    }
}

/// A line to dmon's server or client, with the JSON in it, and an answer.
fn dmon_request(data: &[u8]) {
    let levels = LevelNames::default();
    match request::server(data) {
        Ok(request::Server::Report(text)) => {
            for (_, heard) in json::report(text).unwrap_or_default() {
                used(json::samples(heard, &levels, now()));
            }
        }
        Ok(request::Server::Events(text)) => {
            for (_, heard) in json::events(text).unwrap_or_default() {
                used(json::samples(heard, &levels, now()));
            }
        }
        Ok(request::Server::Clients(words)) => {
            used(request::Filter::parse(&words, |host| host.as_str() == "1d"));
        }
        _ => {}
    }
    used(request::client(data));
    let text = String::from_utf8_lossy(data);
    used(wire::unframe(&text));
    let framed = wire::frame("X", &text);
    assert!(wire::unframe(&framed).is_some(), "a frame has an end");
}

/// Properties, the stamp in a jar, and the paths of repositories.
fn rhq(data: &[u8]) {
    if let Ok(found) = rhq::properties::parse(data) {
        let lines = found.iter();
        let written: String = lines
            .map(|(key, value)| rhq::properties::line(key, value) + "\n")
            .collect();
        let again = rhq::properties::parse(written.as_bytes());
        // What has to be escaped may become too long.
        if written.len() <= rhq::properties::LARGEST {
            assert_eq!(again.as_ref().ok(), Some(&found), "{written:?}");
        }
    }
    used(rhq::read_stamp(Cursor::new(data)));
    if let Some(path) = package_repo::below(&String::from_utf8_lossy(data)) {
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        assert!(path.components().all(plain), "{path:?} leads elsewhere");
    }
}

/// A path and a question of foreman_dlm_updater.
fn foreman(data: &[u8]) {
    for method in [&b"GET"[..], b"PUT", b"DELETE", b"POST"] {
        used(foreman::Call::parse(method, data));
    }
    if let Ok(page) = foreman::Page::parse(data) {
        used(page.wants("web"));
    }
}

/// The path, the body and the file of secrets.
fn dlm_engine(data: &[u8]) {
    used(dlm_engine::parse_path(data));
    used(dlm_engine::parse_body(data));
    if let Ok(secrets) = dlm_engine::Secrets::parse(data) {
        assert!(secrets.hosts(b"", b"").is_none(), "nobody has no name");
        let first = data.split(|byte| byte.is_ascii_whitespace());
        for id in first.take(4) {
            if let Some(pattern) = secrets.hosts(id, b"secret") {
                used(pattern.one());
                used(pattern.means(&HostName::parse("web1.example.org").expect("it is a name")));
            }
        }
    }
}

/// The body that Zincati sends.
fn fleetlock(data: &[u8]) {
    if let Ok(client) = fleetlock::Client::parse(data) {
        assert!(!client.id.is_empty() && !client.group.is_empty());
    }
}
