//! Cookies of requests.

use http::HeaderMap;
use http::header::COOKIE;

/// A cookie's value (RFC 6265, section 5.4).
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut named = pairs.filter_map(|pair| pair.split_once('='));
    let found = named.find(|(key, _)| key.trim() == name);
    found.map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name_on_whichever_line() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "xa=1; ba=2".parse().unwrap());
        headers.append(COOKIE, "b=3;a=4 ; a=5".parse().unwrap());
        assert_eq!(cookie(&headers, "a"), Some("4"));
        assert_eq!(cookie(&headers, "c"), None);
    }
}
