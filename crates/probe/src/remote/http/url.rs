//! Addresses of pages, as entries write them.

use crate::probe::Order;
use crate::remote::address::{host_or_target, parse_port, split};

/// An address of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::remote) struct Url {
    /// All of it, but for the fragment.
    pub(in crate::remote) text: String,
    /// Its host.
    pub(in crate::remote) host: String,
    /// What stands behind `#`.
    pub(in crate::remote) fragment: Option<String>,
}

/// The page that an entry names. Of a host that is watched from here, the host may be left out: `/health`,
/// `:8080/health`, `https:///health`, `https://:8443/health`.
pub(in crate::remote) fn url(order: &Order) -> Result<Url, String> {
    let object = order.object().unwrap_or_default();
    let (address, fragment) = match object.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment.to_owned())),
        None => (object, None),
    };
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("http", address),
    };
    if !matches!(scheme, "http" | "https") {
        return Err(format!(
            "{scheme}:// is not looked at, only http:// and https://"
        ));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(
            "a user or a password does not belong in an address; use the option \"auth\"".into(),
        );
    }
    let (host, port) = split(authority)?;
    if host.is_some() && !address.contains("://") {
        return Err(format!(
            "{address:?} does not begin with http:// or https://"
        ));
    }
    let host = host_or_target(order, host)?;
    let shown = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.clone(),
    };
    let port = match port {
        Some(port) => format!(":{}", parse_port(port)?),
        None => String::new(),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(Url {
        text: format!("{scheme}://{shown}{port}{slash}{path}"),
        host,
        fragment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::world::{order, watched};

    #[test]
    fn pages_are_named_in_full_or_on_a_watched_host() {
        let text = |order: &Order| url(order).map_or_else(|why| why, |url| url.text);
        let is = |name: &str, expected: &str| assert_eq!(text(&order(name)), expected);
        is("http:https://a.example/x?y=z#w", "https://a.example/x?y=z");
        is("http:http://[::1]:80?a", "http://[::1]:80/?a");
        is(
            "http:a.example",
            "\"a.example\" does not begin with http:// or https://",
        );
        is(
            "http:ftp://a.example",
            "ftp:// is not looked at, only http:// and https://",
        );
        assert!(text(&order("http:http://ann:secret@a")).contains("option \"auth\""));
        assert!(text(&order("http:/x")).contains("write \"http:HOST"));
        let is =
            |name: &str, expected: &str| assert_eq!(text(&watched(name, "10.0.0.7")), expected);
        is("http", "http://10.0.0.7/");
        is("http:/x", "http://10.0.0.7/x");
        is("http::8080/x", "http://10.0.0.7:8080/x");
        is("http:https:///x", "https://10.0.0.7/x");
        is("http:https://:8443", "https://10.0.0.7:8443/");
        is("http:https://other", "https://other/");
        let url = url(&order("prometheus:http://a#up")).unwrap();
        assert_eq!(
            (url.host.as_str(), url.fragment.as_deref()),
            ("a", Some("up"))
        );
    }
}
