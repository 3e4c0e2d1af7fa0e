//! Where a request that changes something comes from: not from another site's page.
//!
//! Browsers say it in `Sec-Fetch-Site` (Fetch Metadata), older ones in `Origin` (RFC 6454), and no page can make them lie.
//! Programs say nothing, and have no cookies that somebody else could use. See OWASP's cheat sheet on Cross-Site Request
//! Forgery.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Uri};
use lockstep_model::ProblemKind;

use super::Refusal;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Refuses a request that a browser sends for another site's page.
pub(crate) fn same_origin(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    if comes_from_here(headers, uri) {
        return Ok(());
    }
    Err(Refusal::new(
        ProblemKind::NotAllowed,
        "this request was sent by a page of another site; nothing was done. Open the page here and try again",
    ))
}

/// As [`same_origin`], of a request that was taken apart.
pub(crate) fn same_origin_parts(parts: &Parts) -> Result<(), Refusal> {
    same_origin(&parts.headers, &parts.uri)
}

fn comes_from_here(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    // HTTP/2 has the host in the address of the request.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or(uri.authority().map(|authority| authority.as_str()));
    let origin = origin
        .to_str()
        .ok()
        .and_then(|it| it.strip_prefix("https://"));
    matches!((origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes(headers: &[(&'static str, &str)], uri: &str) -> bool {
        let pairs = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        same_origin(&pairs.collect(), &uri.parse().unwrap()).is_ok()
    }

    #[test]
    fn what_browsers_say_decides() {
        for (site, good) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
            ("", false),
        ] {
            let headers = [
                (SEC_FETCH_SITE, site),
                ("origin", "https://a"),
                ("host", "a"),
            ];
            assert_eq!(comes(&headers, "/x"), good, "{site}");
        }
    }

    #[test]
    fn older_browsers_say_their_origin() {
        for (origin, good) in [
            ("https://a:7443", true),
            ("https://A:7443", true),
            ("https://a", false),
            ("http://a:7443", false),
            ("https://b:7443", false),
            ("null", false),
        ] {
            let headers = [("origin", origin), ("host", "a:7443")];
            assert_eq!(comes(&headers, "/x"), good, "{origin}");
            let headers = [("origin", origin)];
            assert_eq!(comes(&headers, "https://a:7443/x"), good, "{origin}");
        }
        assert!(!comes(&[("origin", "https://a")], "/x"), "no host at all");
        assert!(comes(&[], "/x"), "a program");
    }
}
