//! `client-local.cfg`: what each client is told (client-local.cfg(5)), and which of it.
//!
//! Sections, and who gets them, are those of Xymon 4.3.30, with its traps: a line that begins with a bracket and does not
//! end with one is the end of a section and the beginning of none; names are anchored expressions, in which a dot is any
//! character; whoever sends no class has none, whatever `hosts.cfg` says. Two things are different. Nothing is
//! remembered for a host, so that one that changes its class gets another section at once. And what regex-lite cannot
//! read (it knows no look-around and no back references) never matches, with a warning.

use regex_lite::{Regex, RegexBuilder};

use super::files::Text;

/// All sections, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct ClientLocal(Vec<Section>);

#[derive(Debug, Clone)]
struct Section {
    head: Head,
    block: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Head {
    Host(Regex),
    Class(Regex),
    Os(Regex),
    /// A whole name, of a host, a class or a system.
    Any(Regex),
}

/// How many sections a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The first for its name, else for its class, else for its system.
    First,
    /// All that match, in the order of the file (`--merge-clientlocal`).
    All,
}

impl ClientLocal {
    /// Reads the sections of a text. The second part says which of them never match, and why.
    #[must_use]
    pub fn parse(text: &Text) -> (Self, Vec<String>) {
        let mut sections: Vec<Section> = Vec::new();
        let mut warnings = Vec::new();
        let mut inside = false;
        for line in &text.lines {
            let bare = line.text.trim_ascii_start();
            if bare.is_empty() || bare.starts_with(b"#") {
                continue;
            }
            if !bare.starts_with(b"[") {
                if let Some(section) = sections.last_mut()
                    && inside
                {
                    section.block.extend_from_slice(&line.text);
                    section.block.push(b'\n');
                }
                continue;
            }
            // Whatever begins with a bracket ends a section, even if it begins none.
            inside = false;
            let Some(written) = written(&line.text) else {
                continue;
            };
            match head(&written) {
                Ok(head) => {
                    sections.push(Section {
                        head,
                        block: Vec::new(),
                    });
                    inside = true;
                }
                Err(error) => warnings.push(format!(
                    "{}: the section [{written}] never matches: {error}",
                    line.place()
                )),
            }
        }
        (Self(sections), warnings)
    }
}

fn written(line: &[u8]) -> Option<String> {
    let line = line.split(|&byte| byte == b'\r').next()?;
    let inner = line.strip_prefix(b"[")?.strip_suffix(b"]")?;
    Some(String::from_utf8_lossy(inner).into_owned())
}

fn head(written: &str) -> Result<Head, String> {
    type Kind = fn(Regex) -> Head;
    let kinds: [(&str, Kind); 3] = [
        ("host=", Head::Host),
        ("class=", Head::Class),
        ("os=", Head::Os),
    ];
    for (key, kind) in kinds {
        let Some((found, pattern)) = written.split_at_checked(key.len()) else {
            continue;
        };
        if found.eq_ignore_ascii_case(key) {
            let pattern = pattern.strip_prefix('%').unwrap_or(pattern);
            let pattern = if pattern == "*" { "." } else { pattern };
            return compile(pattern).map(kind);
        }
    }
    match written.strip_suffix('*') {
        Some(prefix) => compile(&format!("^{prefix}")).map(Head::Host),
        None => compile(&format!("^{written}$")).map(Head::Any),
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .build()
        .map_err(|error| error.to_string())
}

/// By what a section is a client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Host,
    Class,
    Os,
}

impl Section {
    fn matches(&self, host: &str, class: Option<&str>, os: &str) -> Vec<By> {
        let name = |regex: &Regex| regex.is_match(host);
        let class = |regex: &Regex| class.is_some_and(|class| regex.is_match(class));
        let system = |regex: &Regex| regex.is_match(os);
        let by = match &self.head {
            Head::Host(regex) => [(By::Host, name(regex)); 3],
            Head::Class(regex) => [(By::Class, class(regex)); 3],
            Head::Os(regex) => [(By::Os, system(regex)); 3],
            Head::Any(regex) => [
                (By::Host, name(regex)),
                (By::Class, class(regex)),
                (By::Os, system(regex)),
            ],
        };
        by.into_iter()
            .filter_map(|(by, is)| is.then_some(by))
            .collect()
    }
}

/// What a client gets: lines, each with its newline, as the file has them. `class` is what it said of itself, or what
/// its `CLASS:` tag made of that; none if it said nothing.
#[must_use]
pub fn select(
    all: &ClientLocal,
    host: &str,
    class: Option<&str>,
    os: &str,
    merge: Merge,
) -> Vec<u8> {
    let mut answer = Vec::new();
    if merge == Merge::All {
        for section in &all.0 {
            if !section.matches(host, class, os).is_empty() {
                answer.extend_from_slice(&section.block);
            }
        }
        return answer;
    }
    let (mut by_host, mut by_class, mut by_os) = (None, None, None);
    for section in &all.0 {
        let by = section.matches(host, class, os);
        if by.contains(&By::Host) {
            by_host = Some(section);
            // Nothing behind it is looked at, not even if it turns out to be empty.
            break;
        }
        if by_class.is_none() && by.contains(&By::Class) {
            by_class = Some(section);
        } else if by_os.is_none() && by.contains(&By::Os) {
            by_os = Some(section);
        }
    }
    let found = [by_host, by_class, by_os];
    let found = found.into_iter().flatten().find(|it| !it.block.is_empty());
    found.map(|it| it.block.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::hosts_cfg::tests::text;
    use super::*;

    fn said(file: &str, host: &str, class: Option<&str>, os: &str, merge: Merge) -> String {
        let (all, _) = ClientLocal::parse(&text("c", file.as_bytes()));
        String::from_utf8(select(&all, host, class, os, merge)).unwrap()
    }

    const FILE: &str = "before\n[linux]\nL\n# c\n\n  indented\n[class=web]\nC\n[host=^db\\d]\nH\n[DB*]\nP\n\
        [www.example.org]\nW\n[os=*]\nO\n";

    #[test]
    fn host_goes_before_class_and_class_before_system() {
        for (host, class, os, expected) in [
            ("other", None, "linux", "L\n  indented\n"),
            ("other", None, "LINUX", "L\n  indented\n"),
            ("other", Some("linux"), "aix", "L\n  indented\n"),
            ("other", Some("bigwebs"), "linux", "C\n"),
            ("db7", Some("web"), "linux", "H\n"),
            ("dbx", Some("web"), "linux", "P\n"),
            ("wwwXexample.org", None, "aix", "W\n"),
            ("www.example.org.uk", None, "aix", "O\n"),
            ("linux", None, "aix", "L\n  indented\n"),
        ] {
            let found = said(FILE, host, class, os, Merge::First);
            assert_eq!(found, expected, "{host} {class:?} {os}");
        }
        let all = said(FILE, "db7", Some("web"), "linux", Merge::All);
        assert_eq!(all, "L\n  indented\nC\nH\nP\nO\n");
    }

    #[test]
    fn traps_of_the_original_are_kept() {
        for head in ["  [x]", "[linux] ", "[linux]x", "[linux"] {
            let ended = format!("[linux]\na\n{head}\nb\n");
            assert_eq!(
                said(&ended, "h", None, "linux", Merge::First),
                "a\n",
                "{head}"
            );
        }
        let dos = "[linux]\r\na\r\n";
        assert_eq!(said(dos, "h", None, "linux", Merge::First), "a\r\n");
        let empty = "[os=linux]\nL\n[host=h]\n[class=c]\nC\n";
        assert_eq!(
            said(empty, "h", Some("c"), "linux", Merge::First),
            "L\n",
            "an empty section of the host hides what comes behind it"
        );
    }

    #[test]
    fn what_cannot_be_read_never_matches_and_is_told() {
        let file = "[host=(]\nA\n[host=(?<!x)y]\nB\n[linux]\nL\n[host=^web[0-9]+]\nW\n";
        let (all, warnings) = ClientLocal::parse(&text("client-local.cfg", file.as_bytes()));
        assert_eq!(select(&all, "web1", None, "linux", Merge::All), b"L\nW\n");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].starts_with("client-local.cfg:1: "),
            "{warnings:?}"
        );
        assert!(
            warnings[1].starts_with("client-local.cfg:3: "),
            "{warnings:?}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            content in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'['), Just(b']'), Just(b'\n')], 0..200),
            host in "\\PC{0,10}",
        ) {
            let (all, _) = ClientLocal::parse(&text("c", &content));
            let one = select(&all, &host, None, "linux", Merge::First);
            let every = select(&all, &host, None, "linux", Merge::All);
            prop_assert!(every.len() >= one.len());
        }
    }
}
