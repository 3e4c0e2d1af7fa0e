//! Saved views: what a page shows by its filters, kept under a name.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::UserName;

/// A page whose filters can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewPage {
    /// `/`.
    Problems,
    /// `/hosts`.
    Hosts,
    /// `/items`.
    Items,
    /// `/events`.
    Events,
}

impl ViewPage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Problems, Self::Hosts, Self::Items, Self::Events];

    /// The page's path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Problems => "/",
            Self::Hosts => "/hosts",
            Self::Items => "/items",
            Self::Events => "/events",
        }
    }

    /// The page that an address names; none for pages whose filters cannot be kept.
    #[must_use]
    pub fn of(address: &str) -> Option<Self> {
        let path = address.split_once('?').map_or(address, |(path, _)| path);
        Self::ALL.into_iter().find(|page| page.path() == path)
    }
}

/// The address of a page of ours with its filters: a path out of [`ViewPage`], and what stands behind the question mark. It
/// cannot lead to another server, because nothing of it but the question is anybody's choice. Which page of a long list was
/// looked at is not a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ViewAddress {
    page: ViewPage,
    question: String,
}

/// Parts of questions that say how far somebody has turned pages.
const TURNED: [&str; 5] = ["page", "items_page", "before", "to", "cursor"];

impl ViewAddress {
    /// Longest address, in bytes.
    pub const LONGEST: usize = 1_000;

    /// Reads an address as a browser shows it, without the server before it.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > Self::LONGEST {
            let (long, most) = (text.len(), Self::LONGEST);
            return Err(format!(
                "an address to keep has at most {most} bytes, not {long}"
            ));
        }
        let page = ViewPage::of(text).ok_or_else(|| {
            let all = ViewPage::ALL.map(ViewPage::path).join(", ");
            format!("only views of these pages can be kept: {all}")
        })?;
        let question = text.split_once('?').map_or("", |(_, question)| question);
        // What RFC 3986, section 3.4, lets stand there, but for the apostrophe: browsers write it escaped.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&()*+,;=:@/?%".contains(c);
        if let Some(strange) = question.chars().find(|c| !plain(*c)) {
            return Err(format!(
                "{strange:?} does not belong behind the question mark of an address"
            ));
        }
        let parts = question.split('&').filter(|part| {
            let name = part.split_once('=').map_or(*part, |(name, _)| name);
            !part.is_empty() && !TURNED.contains(&name)
        });
        Ok(Self {
            page,
            question: parts.collect::<Vec<_>>().join("&"),
        })
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> ViewPage {
        self.page
    }
}

impl fmt::Display for ViewAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.page.path())?;
        if !self.question.is_empty() {
            write!(f, "?{}", self.question)?;
        }
        Ok(())
    }
}

impl FromStr for ViewAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Serialize for ViewAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ViewAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// One kept view in `GET /api/v1/views`: one's own, and those that others share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedView {
    /// Its identity, for `DELETE /api/v1/views/ID`.
    pub id: String,
    /// What it is called; its owner's views of one page have different names.
    pub name: String,
    /// What it shows.
    pub address: ViewAddress,
    /// Whose it is.
    pub owner: UserName,
    /// True if everybody sees it.
    pub shared: bool,
    /// When it was kept.
    pub created_at: Timestamp,
}

impl SavedView {
    /// Most views of one user.
    pub const MOST: usize = 50;
    /// Longest name, in characters.
    pub const LONGEST_NAME: usize = 60;

    /// Checks what a view shall be called.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn check_name(name: &str) -> Result<&str, String> {
        let long = name.chars().count();
        let strange = name.contains(char::is_control);
        let name = name.trim();
        if name.is_empty() || long > Self::LONGEST_NAME || strange {
            return Err(format!(
                "a view's name has 1 to {} characters on one line",
                Self::LONGEST_NAME
            ));
        }
        Ok(name)
    }
}

/// `POST /api/v1/views`: keeps a view. One's own of the same page and name is replaced.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewView {
    /// What it is called: 1 to 60 characters.
    pub name: String,
    /// What it shows.
    pub address: ViewAddress,
    /// True if everybody shall see it.
    #[serde(default)]
    pub shared: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, String> {
        ViewAddress::parse(text).map(|it| it.to_string())
    }

    #[test]
    fn an_address_is_a_page_of_ours_and_a_question() {
        assert_eq!(read("/hosts?level=3&page=4").unwrap(), "/hosts?level=3");
        assert_eq!(
            read("/events?since=6h&before=x&to=y").unwrap(),
            "/events?since=6h"
        );
        assert_eq!(read("/?").unwrap(), "/");
        assert_eq!(read("/items").unwrap(), "/items");
    }

    #[test]
    fn nothing_leads_elsewhere() {
        for strange in [
            "",
            "https://evil.example/hosts",
            "//evil.example",
            "//evil.example/hosts?level=3",
            "/\\evil.example",
            "\\\\evil.example",
            "/hosts/../../evil",
            "/hosts/web1",
            "/sign-out",
            "/admin?x",
            "javascript:alert(1)",
            "hosts?level=3",
            " /hosts",
            "/hosts#x",
            "/hosts?q=a b",
            "/hosts?q=\r\nlocation: x",
            "/hosts?q=\"><script>",
            "/hosts?q=ä",
            "/HOSTS",
            "/%68osts",
        ] {
            assert!(read(strange).is_err(), "{strange:?}");
        }
        assert!(read(&format!("/hosts?q={}", "a".repeat(1_000))).is_err());
    }

    #[test]
    fn names_are_short_and_on_one_line() {
        assert_eq!(SavedView::check_name(" web, sick "), Ok("web, sick"));
        for bad in ["", "  ", "a\nb", &"ä".repeat(61)] {
            assert!(SavedView::check_name(bad).is_err(), "{bad:?}");
        }
        assert!(SavedView::check_name(&"ä".repeat(60)).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_typed_stays_on_a_page_of_ours(text in "(/|//|/hosts|/events|https:)?[ -~äß\\\\]{0,30}") {
            if let Ok(address) = ViewAddress::parse(&text) {
                let shown = address.to_string();
                prop_assert_eq!(ViewAddress::parse(&shown), Ok(address.clone()));
                prop_assert!(shown.starts_with(address.page().path()));
                prop_assert!(!shown.starts_with("//") && !shown.contains(['\\', '#', ' ', '"', '<']));
            }
        }
    }
}
