//! What people want to know of hosts beside their items: who cares for them, and what there is to read. No program does
//! anything by it.

use std::collections::BTreeMap;

use crate::fault::quoted;
use crate::read::Field;

/// Longest name of an owner and of a link, in bytes.
const MOST_NAME: usize = 100;
/// Longest address of a link, in bytes.
const MOST_ADDRESS: usize = 1_000;
/// Most links of one group or host.
const MOST_LINKS: usize = 20;

/// The name of an owner: a line of text.
pub(super) fn owner(text: &str) -> Result<String, String> {
    words("an owner", text)
}

/// Addresses by what they are called. Pages offer them to whoever looks, so they lead nowhere but to other pages.
pub(super) fn links(field: &Field<'_>) -> BTreeMap<String, String> {
    let mut links = BTreeMap::new();
    for (field, text) in field.text_by_name() {
        if links.len() >= MOST_LINKS {
            field.fault(format!("there are at most {MOST_LINKS} links"));
            break;
        }
        let read = words("a link", field.key).and_then(|name| Ok((name, address(&text.value)?)));
        match read {
            Ok((name, address)) => {
                links.insert(name, address);
            }
            Err(why) => field.fault(why),
        }
    }
    links
}

fn words(what: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MOST_NAME || text.contains(char::is_control) {
        return Err(format!(
            "the name of {what} is 1 to {MOST_NAME} bytes on one line"
        ));
    }
    Ok(text.to_owned())
}

/// An address that a page may offer (RFC 3986, section 3): what begins otherwise may be a program to a browser.
fn address(text: &str) -> Result<String, String> {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        let begin = text.get(..scheme.len())?;
        begin
            .eq_ignore_ascii_case(scheme)
            .then(|| &text[scheme.len()..])
    });
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"\\\"<>".contains(c);
    let starts_well =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    match rest {
        Some(rest)
            if text.len() <= MOST_ADDRESS && starts_well(rest) && rest.chars().all(plain) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "{} is not the address of a page: it begins with https:// or http://, has no blanks and at most {MOST_ADDRESS} bytes",
            quoted(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_and_nowhere_else() {
        for good in [
            "https://wiki.example.org/web?x=1#y",
            "HTTP://10.0.0.1:8080/",
            "https://[2001:db8::1]/",
        ] {
            assert_eq!(address(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "data:text/html,x",
            "//wiki",
            "wiki.example.org",
            "https://",
            "https:///etc",
            "https://a b",
            "https://a\"x",
            "https://\\\\a",
            "hétps://a",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert!(address(&format!("https://{}", "a".repeat(1_000))).is_err());
    }

    #[test]
    fn an_owner_is_a_line() {
        assert_eq!(owner(" dba team ").as_deref(), Ok("dba team"));
        assert!(owner("").is_err() && owner("a\nb").is_err() && owner(&"a".repeat(101)).is_err());
    }
}
