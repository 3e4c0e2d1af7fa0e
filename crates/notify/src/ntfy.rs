//! A topic of an ntfy server, by its JSON interface (<https://docs.ntfy.sh/publish/#publish-as-json>).

use std::path::Path;

use lockstep_model::Level;
use lockstep_model::alert::{Notice, NoticeKind};
use lockstep_net::client::Post;
use serde_json::json;

use crate::text::{self, Status};
use crate::{Delivered, Failed, Notifier, http, secret};

/// Longest message, in bytes: ntfy turns longer ones than 4,096 into an attachment.
const MAX_MESSAGE: usize = 3800;

pub(crate) async fn deliver(
    notifier: &Notifier,
    url: &str,
    token_file: Option<&str>,
    notice: &Notice,
) -> Result<Delivered, Failed> {
    let (server, topic) = split(url).ok_or_else(|| {
        let shown = http::shown(url);
        Failed::for_good(format!(
            "the address at {shown} does not end with a topic, as in https://ntfy.example.org/oncall"
        ))
    })?;
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    if let Some(path) = token_file {
        let token = secret::secret("the token for ntfy", Path::new(path)).await?;
        headers.push(("Authorization".into(), format!("Bearer {token}")));
    }
    let post = Post {
        method: "POST".into(),
        url: server.into(),
        headers,
        body: document(topic, notice).to_string().into_bytes(),
    };
    http::send(notifier, post).await
}

/// The server's own address and the topic.
fn split(url: &str) -> Option<(&str, &str)> {
    let (server, topic) = url.trim_end_matches('/').rsplit_once('/')?;
    let is_topic = (1..=64).contains(&topic.len())
        && topic
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    // Without a host before it, it is the host.
    let has_host = server
        .split_once("://")
        .is_some_and(|(_, host)| !host.is_empty());
    (is_topic && has_host).then_some((server, topic))
}

fn document(topic: &str, notice: &Notice) -> serde_json::Value {
    let mut message = text::plain(notice);
    if message.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    let mut document = json!({
        "topic": topic,
        "title": text::subject(notice),
        "message": message.trim_end(),
        "priority": priority(notice),
        "tags": tags(notice),
    });
    if let Some(url) = &notice.server_url {
        document["click"] = json!(url);
    }
    document
}

/// 5 wakes somebody, 4 makes a noise, 3 is usual, 2 is silent.
fn priority(notice: &Notice) -> u8 {
    let is_quiet = |kind| matches!(kind, NoticeKind::Acknowledged | NoticeKind::Better);
    if !notice.entries.is_empty() && notice.entries.iter().all(|entry| is_quiet(entry.kind)) {
        return 2;
    }
    match text::level(notice) {
        Level::FINE | Level::SOSO => 3,
        Level::SICK => 4,
        _ => 5,
    }
}

/// The first becomes a picture, the others are shown as they are.
fn tags(notice: &Notice) -> Vec<String> {
    let picture = match text::status(notice) {
        Status::Resolved => "white_check_mark",
        Status::Firing if text::level(notice) >= Level::CRITICAL => "rotating_light",
        Status::Firing => "warning",
    };
    let mut tags = vec![picture.to_owned()];
    for entry in notice.entries.iter().take(3) {
        let host = entry.host.to_string();
        if !tags.contains(&host) {
            tags.push(host);
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{entry, notice, problem};

    #[test]
    fn the_topic_is_the_end_of_the_address() {
        assert_eq!(
            split("https://ntfy.example.org/oncall"),
            Some(("https://ntfy.example.org", "oncall"))
        );
        assert_eq!(
            split("https://example.org/ntfy/on-call_1/"),
            Some(("https://example.org/ntfy", "on-call_1"))
        );
        for bad in [
            "https://ntfy.example.org",
            "oncall",
            "https://x/a b",
            "https://x/a?b",
            "",
            "https:///a",
        ] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_worst_is_the_loudest() {
        let of = |kind, level| {
            let found = document("t", &notice(vec![entry(kind, "web1", "cpu_load", level)]));
            (
                found["priority"].as_u64().unwrap(),
                found["tags"][0].as_str().unwrap().to_owned(),
            )
        };
        let is = |priority, tag: &str| (priority, tag.to_owned());
        assert_eq!(
            of(NoticeKind::Problem, Level::DEAD),
            is(5, "rotating_light")
        );
        assert_eq!(of(NoticeKind::Problem, Level::SICK), is(4, "warning"));
        assert_eq!(of(NoticeKind::Problem, Level::SOSO), is(3, "warning"));
        assert_eq!(
            of(NoticeKind::Recovered, Level::FINE),
            is(3, "white_check_mark")
        );
        assert_eq!(
            of(NoticeKind::Acknowledged, Level::DEAD),
            is(2, "rotating_light")
        );
    }

    #[test]
    fn a_long_message_is_cut() {
        let mut notice = problem();
        notice.entries = vec![notice.entries[0].clone(); 50];
        let found = document("t", &notice);
        assert!(found["message"].as_str().unwrap().len() <= 4000);
        assert_eq!(found["title"], "[50 problems] web1 disk_usage:/ and more");
    }
}
