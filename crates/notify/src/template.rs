//! Any HTTP service, with a body made from a template.
//!
//! In a template `{{name}}` stands for a part of the message, and `{{json:name}}` for the same as it is written inside
//! of a JSON string, without the quotation marks: `{"text": "{{json:text}}"}`. The parts:
//!
//! | name | what |
//! |---|---|
//! | `subject` | the message in one line, as in a mail |
//! | `text` | the whole message, in lines |
//! | `status` | `firing`, or `resolved` when all of it is over |
//! | `kind` | of the first problem: `problem`, `worse`, `better`, `recovered`, `reminder` and so on |
//! | `host`, `item`, `value`, `why`, `note` | of the first problem |
//! | `since` | when the first problem began (RFC 3339) |
//! | `level` | the name of the worst level of what is not over |
//! | `rank` | its rank: 0 is the best |
//! | `count` | how many problems there are |
//! | `cause` | what they have in common, or nothing |
//! | `receiver`, `route` | who is told, by which route |
//! | `id`, `thread` | the identity of the message, and of all messages about the same |
//! | `at` | when it was decided (RFC 3339) |
//! | `url` | the address of the server's pages, or nothing |
//! | `notice` | the whole message as a JSON document |

use std::collections::BTreeMap;
use std::path::Path;

use lockstep_model::alert::Notice;
use lockstep_net::client::Post;

use crate::{Delivered, Failed, Notifier, http, secret, text};

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no part of this name.
    #[error("there is no {name:?} in a message; there are {}", NAMES.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// A `{{` without its `}}`.
    #[error("\"{{{{\" at byte {at} has no \"}}}}\" behind it")]
    Open {
        /// Where it is.
        at: usize,
    },
}

const NAMES: [&str; 20] = [
    "subject", "text", "status", "kind", "host", "item", "value", "why", "note", "since", "level",
    "rank", "count", "cause", "receiver", "route", "id", "thread", "at", "url",
];
/// The one part that is JSON already; it is known besides [`NAMES`].
const NOTICE: &str = "notice";

/// Checks a template, so that it need not be found wanting when a message is due.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_template(body: &str) -> Result<(), TemplateError> {
    fill(body, |_| Some(String::new())).map(|_| ())
}

/// Fills a template. A name is looked up only if it is known.
fn fill(body: &str, part: impl Fn(&str) -> Option<String>) -> Result<String, TemplateError> {
    let mut out = String::new();
    let mut rest = body;
    while let Some(open) = rest.find("{{") {
        let at = body.len() - rest.len() + open;
        out.push_str(&rest[..open]);
        let inside = &rest[open + 2..];
        let close = inside.find("}}").ok_or(TemplateError::Open { at })?;
        let written = inside[..close].trim();
        let (name, as_json) = match written.strip_prefix("json:") {
            Some(name) => (name.trim(), true),
            None => (written, false),
        };
        let is_known = NAMES.contains(&name) || name == NOTICE;
        let value = is_known.then(|| part(name)).flatten();
        let value = value.ok_or_else(|| TemplateError::Unknown {
            name: text::line(written, 60),
        })?;
        match as_json {
            true => out.push_str(&in_a_string(&value)),
            false => out.push_str(&value),
        }
        rest = &inside[close + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

/// As it is written inside of a JSON string.
fn in_a_string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A part of a message; none if there is none of this name.
pub(crate) fn part(notice: &Notice, name: &str) -> Option<String> {
    let first = notice.entries.first();
    let of_first = |part: &dyn Fn(&lockstep_model::alert::NoticeEntry) -> String| {
        first.map(part).unwrap_or_default()
    };
    Some(match name {
        "subject" => text::subject(notice),
        "text" => text::plain(notice),
        "status" => text::status(notice).as_str().into(),
        "kind" => of_first(&|entry| entry.kind.as_str().into()),
        "host" => of_first(&|entry| entry.host.to_string()),
        "item" => of_first(&|entry| entry.item.to_string()),
        "value" => of_first(&|entry| entry.value.to_string()),
        "why" => of_first(&|entry| entry.why.clone()),
        "note" => of_first(&|entry| entry.note.clone()),
        "since" => of_first(&|entry| entry.since.to_string()),
        "level" => notice.levels.name(text::level(notice)).into(),
        "rank" => text::level(notice).rank().to_string(),
        "count" => text::count(notice).to_string(),
        "cause" => notice.cause.clone().unwrap_or_default(),
        "receiver" => notice.receiver.clone(),
        "route" => notice.route.clone(),
        "id" => notice.id.clone(),
        "thread" => notice.thread.clone(),
        "at" => notice.at.to_string(),
        "url" => notice.server_url.clone().unwrap_or_default(),
        NOTICE => serde_json::to_string(notice).ok()?,
        _ => return None,
    })
}

/// What is to be sent where.
pub(crate) struct Request<'a> {
    pub(crate) url: &'a str,
    pub(crate) method: &'a str,
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) header_files: &'a BTreeMap<String, String>,
    pub(crate) body: &'a str,
}

pub(crate) async fn deliver(
    notifier: &Notifier,
    request: &Request<'_>,
    notice: &Notice,
) -> Result<Delivered, Failed> {
    let body = fill(request.body, |name| part(notice, name))
        .map_err(|error| Failed::for_good(format!("the template cannot be used: {error}")))?;
    let mut headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, path) in request.header_files {
        let value = secret::secret("the value of a header", Path::new(path)).await?;
        headers.push((name.clone(), value));
    }
    let post = Post {
        method: request.method.into(),
        url: request.url.into(),
        headers,
        body: body.into_bytes(),
    };
    http::send(notifier, post).await
}

#[cfg(test)]
mod tests {
    use lockstep_model::Value;
    use proptest::prelude::*;

    use super::*;
    use crate::samples::{notice, problem};

    fn filled(body: &str, notice: &Notice) -> String {
        fill(body, |name| part(notice, name)).unwrap()
    }

    #[test]
    fn names_stand_for_parts_of_the_message() {
        let mut notice = problem();
        notice.entries[0].value = Value::Text("a \"quoted\"\nline {{host}}".into());
        assert_eq!(
            filled("{{host}} {{ level }}/{{rank}} {{count}}", &notice),
            "web1 critical/3 1"
        );
        let body = "{\"text\":\"{{json:value}}\",\"a\":{\"b\":{}},\"whole\":{{notice}}}";
        let json: serde_json::Value = serde_json::from_str(&filled(body, &notice)).unwrap();
        assert_eq!(json["text"], "a \"quoted\"\nline {{host}}");
        assert_eq!(json["whole"]["id"], "n1");
    }

    #[test]
    fn every_name_is_a_part_even_of_an_empty_message() {
        let empty = notice(Vec::new());
        for name in NAMES.into_iter().chain([NOTICE]) {
            assert!(part(&empty, name).is_some(), "{name}");
        }
        assert_eq!(part(&empty, "x"), None);
    }

    #[test]
    fn a_bad_template_is_found_before_it_is_needed() {
        assert_eq!(
            check_template("{{subject}} {\"a\":{}} }} {{json:text}}"),
            Ok(())
        );
        let error = check_template("ab {{subject").unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"{{\" at byte 3 has no \"}}\" behind it"
        );
        let error = check_template("{{nosuch}}").unwrap_err().to_string();
        assert!(error.starts_with("there is no \"nosuch\" in a message; there are subject, text"));
        assert!(check_template("{{json:}}").is_err());
    }

    proptest! {
        #[test]
        fn any_value_stays_inside_of_its_string(value in "[\\s\\S]{0,60}") {
            let mut notice = problem();
            notice.entries[0].value = Value::Text(value.clone());
            let json: serde_json::Value =
                serde_json::from_str(&filled("{\"v\":\"{{json:value}}\"}", &notice)).unwrap();
            prop_assert_eq!(json["v"].as_str(), Some(value.as_str()));
        }

        #[test]
        fn nothing_makes_the_parser_panic(body in "(\\{|\\}|json:|text|é| ){0,30}") {
            let _ = check_template(&body);
        }
    }
}
