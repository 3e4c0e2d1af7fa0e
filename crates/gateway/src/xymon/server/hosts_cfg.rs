//! `hosts.cfg`: which hosts an installation has (hosts.cfg(5)).

use std::collections::HashMap;
use std::net::IpAddr;

use lockstep_model::HostName;

use super::files::{Line, Text};

/// The hosts of an installation.
#[derive(Debug, Clone, Default)]
pub struct HostsCfg {
    hosts: Vec<Entry>,
    /// Names and the names of `CLIENT:` tags, in lower case.
    by_name: HashMap<String, usize>,
    defaults: Vec<String>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name with us.
    pub host: HostName,
    /// Its name as the file writes it.
    pub name: String,
    /// Its address; 0.0.0.0 stands for any.
    pub address: IpAddr,
    /// What stands behind the `#`, quotes removed.
    pub tags: Vec<String>,
    /// The page on which it stands, as a path; empty for the first one.
    pub page: String,
}

impl HostsCfg {
    /// Reads the hosts of a text. Lines that are no hosts, such as those for pages, do not matter here; a host whose name
    /// cannot be one of ours is told in the second part.
    #[must_use]
    pub fn parse(text: &Text) -> (Self, Vec<String>) {
        let mut all = Self::default();
        let mut warnings = Vec::new();
        let mut page = Page::default();
        for line in &text.lines {
            let written = String::from_utf8_lossy(&line.text);
            let written = written.trim();
            if page.turn(written) {
                continue;
            }
            match entry(written, &page.path) {
                Ok(Some(Written::Host(entry))) => all.add(entry),
                Ok(Some(Written::Defaults(tags))) => all.defaults = tags,
                Ok(None) => {}
                Err(why) => warnings.push(told(line, &why)),
            }
        }
        (all, warnings)
    }

    fn add(&mut self, entry: Entry) {
        let name = entry.host.as_str().to_owned();
        if let Some(&known) = self.by_name.get(&name) {
            if let Some(known) = self.hosts.get_mut(known)
                && rank(&entry) > rank(known)
            {
                *known = entry;
            }
            return;
        }
        let at = self.hosts.len();
        if let Some(alias) = tag(&entry.tags, "CLIENT:") {
            self.by_name.entry(alias.to_lowercase()).or_insert(at);
        }
        self.by_name.insert(name, at);
        self.hosts.push(entry);
    }

    /// The host of that name, or whose `CLIENT:` tag has it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.hosts.get(*self.by_name.get(&name.to_lowercase())?)
    }

    /// The class that its `CLASS:` tag gives it, or that of `.default.`.
    #[must_use]
    pub fn class<'a>(&'a self, entry: &'a Entry) -> Option<&'a str> {
        tag(&entry.tags, "CLASS:").or_else(|| tag(&self.defaults, "CLASS:"))
    }

    /// All, in the order of the file.
    #[must_use]
    pub fn all(&self) -> &[Entry] {
        &self.hosts
    }
}

fn told(line: &Line, why: &str) -> String {
    format!("{}: {why}; the line is left out", line.place())
}

/// Where a host stands twice: that with `prefer` counts, that with `noprefer` does not, else the first.
fn rank(entry: &Entry) -> i8 {
    let has = |word: &str| entry.tags.iter().any(|tag| tag == word);
    i8::from(has("prefer")) - i8::from(has("noprefer"))
}

fn tag<'a>(tags: &'a [String], key: &str) -> Option<&'a str> {
    let value = tags.iter().find_map(|tag| tag.strip_prefix(key))?;
    (!value.is_empty()).then_some(value)
}

#[derive(Default)]
struct Page {
    top: String,
    path: String,
}

impl Page {
    /// True if the line begins another page.
    fn turn(&mut self, line: &str) -> bool {
        let mut words = line.split_ascii_whitespace();
        let name = |word: Option<&str>| word.unwrap_or_default().to_owned();
        match words.next() {
            Some("page" | "vpage") => {
                self.top = name(words.next());
                self.path.clone_from(&self.top);
            }
            Some("subpage" | "vsubpage") => {
                self.path = format!("{}/{}", self.top, name(words.next()));
            }
            Some("subparent" | "vsubparent") => {
                let parent = name(words.next());
                self.path = format!("{parent}/{}", name(words.next()));
            }
            _ => return false,
        }
        true
    }
}

enum Written {
    Host(Entry),
    Defaults(Vec<String>),
}

fn entry(line: &str, page: &str) -> Result<Option<Written>, String> {
    let (head, behind) = line.split_once('#').unwrap_or((line, ""));
    let mut words = head.split_ascii_whitespace();
    let Some(address) = words.next().and_then(|word| word.parse().ok()) else {
        return Ok(None);
    };
    let Some(name) = words.next() else {
        return Ok(None);
    };
    // A name behind @ is a host that pages do not show.
    let name = name.strip_prefix('@').unwrap_or(name);
    if name.eq_ignore_ascii_case(".default.") {
        return Ok(Some(Written::Defaults(tags(behind))));
    }
    let host = HostName::parse(&name.to_lowercase()).map_err(|error| error.to_string())?;
    Ok(Some(Written::Host(Entry {
        host,
        name: name.to_owned(),
        address,
        tags: tags(behind),
        page: page.to_owned(),
    })))
}

/// Words; a quote goes on to the next one, blanks and all.
fn tags(text: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut tag = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !tag.is_empty() {
                    tags.push(std::mem::take(&mut tag));
                }
            }
            c => tag.push(c),
        }
    }
    if !tag.is_empty() {
        tags.push(tag);
    }
    tags
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// A text as if it had been read from `FILE`.
    pub(in crate::xymon::server) fn text(file: &str, content: &[u8]) -> Text {
        let lines = content.split(|&byte| byte == b'\n').enumerate();
        let lines = lines.map(|(index, text)| Line {
            text: text.to_vec(),
            file: Path::new(file).into(),
            number: index + 1,
        });
        Text {
            lines: lines.collect(),
            ..Text::default()
        }
    }

    #[test]
    fn hosts_have_names_aliases_classes_and_pages() {
        let content = "# comment\n0.0.0.0 .default. # CLASS:plain\npage web Web hosts\n\
            10.0.0.1\tWWW.example.org # http://x/ CLASS:big \"TRENDS:*,a b\" CLIENT:www1\n\
            subpage deep Deeper\n2001:db8::1 six\n10.0.0.2 @hidden #\n\
            10.0.0.9 www.example.org # prefer CLASS:other\ngroup 10\n10.0.0.3 b\u{e4}d";
        let (hosts, warnings) = HostsCfg::parse(&text("hosts.cfg", content.as_bytes()));
        assert_eq!(hosts.all().len(), 3);
        let www = hosts.find("WWW1").unwrap();
        assert_eq!(www.host.as_str(), "www.example.org");
        assert_eq!(www.tags, ["prefer", "CLASS:other"]);
        assert_eq!(hosts.class(www), Some("other"));
        let six = hosts.find("six").unwrap();
        assert_eq!(
            (hosts.class(six), six.page.as_str()),
            (Some("plain"), "web/deep")
        );
        assert!(hosts.find("hidden").is_some());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("hosts.cfg:10: "), "{warnings:?}");
        assert_eq!(tags("a \"B:c d\"e f"), ["a", "B:c de", "f"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(content in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = HostsCfg::parse(&text("hosts.cfg", &content));
        }
    }
}
