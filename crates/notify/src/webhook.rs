//! A JSON document in the shape of Alertmanager's webhook, version 4
//! (<https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>), so that what exists for it can be used.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::{digest, hmac};
use lockstep_model::alert::{Notice, NoticeEntry};
use lockstep_net::client::Post;
use serde::Serialize;

use crate::text::{self, Status};
use crate::{Delivered, Failed, Notifier, http, secret};

/// The header with the signature: `sha256=` and the HMAC-SHA256, in hexadecimal digits, of the value of
/// [`TIMESTAMP`], a point, and the body, by the key in the way's `secret_file`.
pub const SIGNATURE: &str = "Lockstep-Signature";
/// The header with the time of sending, in seconds since 1970: a receiver refuses what is too old.
pub const TIMESTAMP: &str = "Lockstep-Timestamp";

/// What Alertmanager sends for an end that is not known yet.
const NO_END: &str = "0001-01-01T00:00:00Z";

type Words = BTreeMap<&'static str, String>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    version: &'static str,
    group_key: String,
    truncated_alerts: u32,
    status: &'static str,
    receiver: String,
    group_labels: Words,
    common_labels: Words,
    common_annotations: Words,
    #[serde(rename = "externalURL")]
    external_url: String,
    alerts: Vec<Alert>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: &'static str,
    labels: Words,
    annotations: Words,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

pub(crate) async fn deliver(
    notifier: &Notifier,
    url: &str,
    secret_file: Option<&str>,
    notice: &Notice,
) -> Result<Delivered, Failed> {
    let body = serde_json::to_vec(&document(notice))
        .map_err(|error| Failed::for_good(format!("the message is no JSON: {error}")))?;
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    if let Some(path) = secret_file {
        let key = secret::secret("the key for the signature", Path::new(path)).await?;
        let at = notifier.clock.now().as_second().to_string();
        headers.push((SIGNATURE.into(), signature(&key, &at, &body)));
        headers.push((TIMESTAMP.into(), at));
    }
    let post = Post {
        method: "POST".into(),
        url: url.into(),
        headers,
        body,
    };
    http::send(notifier, post).await
}

fn signature(key: &str, at: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(at.as_bytes());
    context.update(b".");
    context.update(body);
    format!("sha256={}", hex::encode(context.sign()))
}

fn document(notice: &Notice) -> Document {
    let alerts: Vec<_> = notice
        .entries
        .iter()
        .map(|entry| alert(notice, entry))
        .collect();
    Document {
        version: "4",
        group_key: notice.thread.clone(),
        truncated_alerts: notice.more,
        status: text::status(notice).as_str(),
        receiver: notice.receiver.clone(),
        group_labels: Words::from([("route", notice.route.clone())]),
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: notice.server_url.clone().unwrap_or_default(),
        alerts,
    }
}

/// What all of them say.
fn common<'a>(mut all: impl Iterator<Item = &'a Words>) -> Words {
    let mut common = all.next().cloned().unwrap_or_default();
    for words in all {
        common.retain(|name, value| words.get(name) == Some(value));
    }
    common
}

fn alert(notice: &Notice, entry: &NoticeEntry) -> Alert {
    let (host, item) = (entry.host.as_str(), entry.item.as_str());
    let level = notice.levels.name(entry.level);
    let mut labels = Words::from([
        ("alertname", entry.item.probe().to_owned()),
        ("instance", host.to_owned()),
        ("host", host.to_owned()),
        ("item", item.to_owned()),
        ("level", level.to_owned()),
        ("route", notice.route.clone()),
    ]);
    if !entry.groups.is_empty() {
        labels.insert("group", entry.groups.join(","));
    }
    let lines = text::lines(notice, entry);
    let mut annotations = Words::from([
        (
            "summary",
            format!("[{}] {host} {item}: {}", lines.word, lines.value),
        ),
        ("description", lines.more.join("\n")),
        ("value", lines.value),
    ]);
    if !entry.changes.is_empty() {
        let changes: Vec<_> = entry
            .changes
            .iter()
            .take(20)
            .map(|change| text::before(change, entry.since))
            .collect();
        annotations.insert("changes", changes.join("\n"));
    }
    let status = Status::of(entry);
    Alert {
        status: status.as_str(),
        labels,
        annotations,
        starts_at: entry.since.to_string(),
        ends_at: match status {
            Status::Firing => NO_END.into(),
            Status::Resolved => entry.ended.unwrap_or(notice.at).to_string(),
        },
        generator_url: notice.server_url.clone().unwrap_or_default(),
        fingerprint: fingerprint(host, item),
    }
}

/// The same for each message about this item of this host.
fn fingerprint(host: &str, item: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{host}\n{item}").as_bytes());
    hex::encode(&digest.as_ref()[..8])
}

#[cfg(test)]
mod tests {
    use lockstep_model::Level;
    use lockstep_model::alert::NoticeKind;
    use serde_json::json;

    use super::*;
    use crate::samples::{at, entry, problem};

    #[test]
    fn the_document_is_alertmanagers() {
        let mut notice = problem();
        notice.more = 2;
        let mut over = entry(
            NoticeKind::Recovered,
            "web1",
            "http:https://x/",
            Level::FINE,
        );
        over.ended = Some(at(60));
        over.changes.clear();
        notice.entries.push(over);
        let found = serde_json::to_value(document(&notice)).unwrap();
        assert_eq!(
            found,
            json!({
                "version": "4",
                "groupKey": "t1",
                "truncatedAlerts": 2,
                "status": "firing",
                "receiver": "ann",
                "groupLabels": {"route": "on-call"},
                "commonLabels": {
                    "host": "web1", "instance": "web1", "group": "web,db", "route": "on-call"
                },
                "commonAnnotations": {"value": "96.0 %"},
                "externalURL": "https://lockstep.example.org:7443",
                "alerts": [
                    {
                        "status": "firing",
                        "labels": {
                            "alertname": "disk_usage", "host": "web1", "instance": "web1",
                            "item": "disk_usage:/", "level": "critical", "group": "web,db",
                            "route": "on-call"
                        },
                        "annotations": {
                            "summary": "[critical] web1 disk_usage:/: 96.0 %",
                            "description": "why: >= 95%\nsince 2026-09-21 14:13:20 UTC: 5 minutes\n\
                                changed just before: lockstep 1.4.1 → 1.4.2, 3 minutes earlier",
                            "value": "96.0 %",
                            "changes": "lockstep 1.4.1 → 1.4.2, 3 minutes earlier"
                        },
                        "startsAt": "2026-09-21T14:13:20Z",
                        "endsAt": "0001-01-01T00:00:00Z",
                        "generatorURL": "https://lockstep.example.org:7443",
                        "fingerprint": fingerprint("web1", "disk_usage:/")
                    },
                    {
                        "status": "resolved",
                        "labels": {
                            "alertname": "http", "host": "web1", "instance": "web1",
                            "item": "http:https://x/", "level": "fine", "group": "web,db",
                            "route": "on-call"
                        },
                        "annotations": {
                            "summary": "[recovered] web1 http:https://x/: 96.0 %",
                            "description": "why: >= 95%\nit was fine\n\
                                from 2026-09-21 14:13:20 UTC to 2026-09-21 14:14:20 UTC: 60 seconds",
                            "value": "96.0 %"
                        },
                        "startsAt": "2026-09-21T14:13:20Z",
                        "endsAt": "2026-09-21T14:14:20Z",
                        "generatorURL": "https://lockstep.example.org:7443",
                        "fingerprint": fingerprint("web1", "http:https://x/")
                    }
                ]
            })
        );
        notice.entries.remove(0);
        assert_eq!(document(&notice).status, "resolved");
    }

    #[test]
    fn fingerprints_are_sixteen_digits_and_stay() {
        assert_eq!(fingerprint("web1", "cpu_load"), "77fbce6a98908762");
        assert_ne!(fingerprint("web1", "a"), fingerprint("web1a", ""));
    }
}
