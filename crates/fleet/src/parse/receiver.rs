//! Who can be told: `[user.NAME]` and `[receiver.NAME]`.
//!
//! Both:
//!
//! * `mail`: an address, or several;
//! * `webhook`: an address on the web that takes Alertmanager's JSON; `secret_file`: a file of the server with the key
//!   for the signature;
//! * `ntfy`: a topic of an ntfy server; `token_file`: a file of the server with the token;
//! * `fallback`: who is told when this one cannot be reached for an hour.
//!
//! Receivers alone:
//!
//! * `template`: any HTTP service: `url`, `method` (`POST` or `PUT`, default `POST`), `headers`, `header_files`
//!   (values in files of the server), `body`;
//! * `exec`: a program of the server with its arguments.

use std::collections::BTreeMap;

use lockstep_model::alert::{Receiver, Way};
use lockstep_plan::schedule::stable_hash;

use super::{Context, check_known, name};
use crate::fault::quoted;
use crate::read::{Field, Section, Set};

/// All users and receivers by name; both are named in the same lists.
pub(super) fn all(context: &Context<'_>) -> BTreeMap<String, Set<Receiver>> {
    let mut all: BTreeMap<String, Set<Receiver>> = BTreeMap::new();
    let mut fallbacks = BTreeMap::new();
    for kind in ["user", "receiver"] {
        for field in context.of(kind) {
            let (Some(name), Some(section)) = (name(field), field.section()) else {
                continue;
            };
            let (ways, fallback) = ways(kind, section);
            let value = Receiver {
                ways,
                fallback: fallback.as_ref().map(|set| set.value.clone()),
            };
            if let Some(before) = all.get(&name) {
                super::again(
                    field,
                    &format!(
                        "{} is the name of a user, and with that it is",
                        quoted(&name)
                    ),
                    before.at,
                );
                continue;
            }
            if let Some(fallback) = fallback {
                fallbacks.insert(name.clone(), fallback);
            }
            all.insert(
                name,
                Set {
                    value,
                    at: field.key_at,
                },
            );
        }
    }
    for (name, fallback) in &fallbacks {
        check_known(
            context,
            std::slice::from_ref(fallback),
            "user or receiver",
            all.keys().map(String::as_str),
        );
        // One that falls back on itself, by whichever way, would try for ever.
        let mut next = Some(&fallback.value);
        for _ in 0..=fallbacks.len() {
            if next == Some(name) {
                context.faults.add(
                    fallback.at,
                    format!("{} falls back on itself in the end", quoted(name)),
                );
                break;
            }
            next = next
                .and_then(|next| fallbacks.get(next))
                .map(|set| &set.value);
        }
    }
    all
}

/// A way that is written where it is used: `mail:a@b`, `webhook:https://…`, `ntfy:https://…`.
pub(super) fn inline(text: &str) -> Option<Result<Way, String>> {
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "mail" => Some(mail_address(rest).map(|to| Way::Mail { to })),
        "webhook" => Some(web_address(rest).map(|url| Way::Webhook {
            url,
            secret_file: None,
        })),
        "ntfy" => Some(web_address(rest).map(|url| Way::Ntfy {
            url,
            token_file: None,
        })),
        _ => None,
    }
}

/// The name of a receiver that is written on the spot. An address of the web may be long, and hold a secret: it is
/// known by its host and a number, so that neither log nor list shows more.
pub(super) fn name_of(text: &str, way: &Way) -> String {
    let Way::Mail { .. } = way else {
        let (kind, url) = text.split_once(':').unwrap_or((text, ""));
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host: String = host.chars().take(100).collect();
        let number = stable_hash(&[text.as_bytes()]) as u32;
        return format!("{kind}:{host}#{number:08x}");
    };
    text.to_owned()
}

fn ways(kind: &str, mut section: Section<'_>) -> (Vec<Way>, Option<Set<String>>) {
    let mut ways = Vec::new();
    let mut given = false;
    if let Some(field) = section.take("mail") {
        given = true;
        let addresses = field.one_or_more(mail_address).into_iter();
        ways.extend(addresses.map(|to| Way::Mail { to: to.value }));
    }
    let webhook = section.take("webhook");
    let secret_file = section.take("secret_file");
    lonely(&secret_file, &webhook, "webhook");
    let secret_file = secret_file.and_then(|field| file(&field));
    if let Some(field) = webhook {
        given = true;
        ways.extend(field.parsed(web_address).map(|url| Way::Webhook {
            url: url.value,
            secret_file,
        }));
    }
    let ntfy = section.take("ntfy");
    let token_file = section.take("token_file");
    lonely(&token_file, &ntfy, "ntfy");
    let token_file = token_file.and_then(|field| file(&field));
    if let Some(field) = ntfy {
        given = true;
        ways.extend(field.parsed(web_address).map(|url| Way::Ntfy {
            url: url.value,
            token_file,
        }));
    }
    if kind == "receiver" {
        if let Some(field) = section.take("template") {
            given = true;
            ways.extend(template(&field));
        }
        if let Some(field) = section.take("exec") {
            given = true;
            ways.extend(program(&field));
        }
    }
    let fallback = section.take("fallback").and_then(|field| field.text());
    if !given {
        section.fault(format!(
            "this {kind} cannot be reached: give it mail, webhook or ntfy"
        ));
    }
    section.finish();
    (ways, fallback)
}

/// A key that says something of another one is useless alone.
fn lonely(field: &Option<Field<'_>>, other: &Option<Field<'_>>, name: &str) {
    if let (Some(field), None) = (field, other) {
        field.reader.faults.add(
            field.key_at,
            format!("{} does nothing without {name}", field.key),
        );
    }
}

fn template(field: &Field<'_>) -> Option<Way> {
    let mut section = field.section()?;
    let url = section.take("url");
    let body = section.take("body");
    for (key, given) in [("url", url.is_some()), ("body", body.is_some())] {
        if !given {
            section.fault(format!("a template needs {key}"));
        }
    }
    let url = url.and_then(|field| field.parsed(web_address));
    let body = body.and_then(|field| field.text());
    let method = match section.take("method") {
        None => Some("POST".to_owned()),
        Some(field) => field
            .parsed(|text| match text {
                "POST" | "PUT" => Ok(text.to_owned()),
                _ => Err(format!(
                    "{} is not a method: \"POST\" or \"PUT\"",
                    quoted(text)
                )),
            })
            .map(|set| set.value),
    };
    let headers = section
        .take("headers")
        .map(|field| header_values(&field, |_| Ok(())));
    let header_files = section
        .take("header_files")
        .map(|field| header_values(&field, absolute));
    section.finish();
    Some(Way::Template {
        url: url?.value,
        method: method?,
        headers: headers.unwrap_or_default(),
        header_files: header_files.unwrap_or_default(),
        body: body?.value,
    })
}

fn header_values(
    field: &Field<'_>,
    check: impl Fn(&str) -> Result<(), String>,
) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (header, text) in field.text_by_name() {
        // RFC 9110, section 5.1.
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if header.key.is_empty() || !header.key.chars().all(token) {
            header.reader.faults.add(
                header.key_at,
                format!("{} is not the name of a header", quoted(header.key)),
            );
        } else if text.value.contains(|c: char| c.is_control()) {
            header.fault("a header has one line");
        } else if let Err(why) = check(&text.value) {
            header.fault(why);
        } else {
            headers.insert(header.key.to_owned(), text.value);
        }
    }
    headers
}

fn program(field: &Field<'_>) -> Option<Way> {
    let words = field.entries()?.into_iter().map(|entry| entry.text());
    let words: Option<Vec<Set<String>>> = words.collect();
    let words = words?;
    let Some(program) = words.first() else {
        field.fault("a program is missing, as in exec = [\"/usr/local/bin/page\", \"--now\"]");
        return None;
    };
    if let Err(why) = absolute(&program.value) {
        field.reader.faults.add(program.at, why);
        return None;
    }
    Some(Way::Exec {
        command: words.into_iter().map(|word| word.value).collect(),
    })
}

fn file(field: &Field<'_>) -> Option<String> {
    let path = field.parsed(|text| absolute(text).map(|()| text.to_owned()));
    path.map(|set| set.value)
}

fn absolute(text: &str) -> Result<(), String> {
    if text.starts_with('/') && !text.contains(|c: char| c.is_control()) {
        return Ok(());
    }
    Err(format!(
        "{} is not a path from the root of the server, as in \"/etc/lockstep/token\"",
        quoted(text)
    ))
}

fn mail_address(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
    let good = text.len() <= 254
        && !text.contains(odd)
        && text.rsplit_once('@').is_some_and(|(user, domain)| {
            !user.is_empty() && !domain.is_empty() && !user.contains('@')
        });
    if good {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} is not a mail address, as in \"ann@example.org\"",
        quoted(text)
    ))
}

fn web_address(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let good = text.len() <= 2_000
        && !text.contains(odd)
        && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if good {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} is not an address on the web, as in \"https://hooks.example.org/x\"",
        quoted(text)
    ))
}
