//! Addresses. Names of items have slashes and colons; they are escaped here and nowhere else.

use std::fmt::Write;

use lockstep_model::{HostName, ItemName, LockName};
use maud::{Markup, html};

use super::during::During;

/// A part of a path, escaped (RFC 3986, section 3.3: all but unreserved characters).
#[must_use]
pub fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// A path with a question behind it, of the parts that have a value.
#[must_use]
pub fn ask(path: &str, parts: &[(&str, Option<&str>)]) -> String {
    let mut question = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts {
        if let Some(value) = value {
            question.append_pair(name, value);
        }
    }
    match question.finish() {
        question if question.is_empty() => path.to_owned(),
        question => format!("{path}?{question}"),
    }
}

/// The address of a host.
#[must_use]
pub fn host_path(host: &HostName) -> String {
    format!("/hosts/{}", segment(host.as_str()))
}

/// The address of an item of a host.
#[must_use]
pub fn item_path(host: &HostName, item: &ItemName) -> String {
    format!("{}/items/{}", host_path(host), segment(item.as_str()))
}

/// The address of a package's releases.
#[must_use]
pub fn package_path(package: &str) -> String {
    format!("/releases/{}", segment(package))
}

/// Where a lock stands on the page of locks.
#[must_use]
pub fn lock_id(name: &LockName) -> String {
    format!("lock-{}", segment(name.as_str()))
}

/// The address of a lock.
#[must_use]
pub fn lock_path(name: &LockName) -> String {
    format!("/locks#{}", lock_id(name))
}

/// A link to a host.
#[must_use]
pub fn host(name: &HostName) -> Markup {
    html! { a href=(host_path(name)) { (name) } }
}

/// A link to an item of a host.
#[must_use]
pub fn item(host: &HostName, item: &ItemName) -> Markup {
    html! { a href=(item_path(host, item)) { (item) } }
}

/// A link to an item of a host, in the time that the address of this page asks for.
#[must_use]
pub fn item_during(address: &str, host: &HostName, item: &ItemName) -> Markup {
    html! { a href=(During::of(address).at(&item_path(host, item))) { (item) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_an_address() {
        let host = HostName::parse("web1").unwrap();
        let item = ItemName::parse("http:https://x/?a=b&c#d").unwrap();
        let lock = LockName::parse("database").unwrap();
        assert_eq!(lock_path(&lock), format!("/locks#{}", lock_id(&lock)));
        assert_eq!(
            item_path(&host, &item),
            "/hosts/web1/items/http%3Ahttps%3A%2F%2Fx%2F%3Fa%3Db%26c%23d"
        );
        assert_eq!(
            ask("/events", &[("item", Some("a&b=c")), ("host", None)]),
            "/events?item=a%26b%3Dc"
        );
        let address = "/events?since=6h&q=\"><script>";
        assert!(
            item_during(address, &host, &item)
                .0
                .starts_with("<a href=\"/hosts/web1/items/http%3A")
                && item_during(address, &host, &item)
                    .0
                    .contains("%23d?from=6h\">")
        );
    }
}
