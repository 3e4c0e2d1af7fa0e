//! What a message wants: its first words (xymon(1), "Xymon message syntax").

use std::borrow::Cow;

/// A message's command. Names are as they were written; nothing is checked but the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// `client HOST.OS [CLASS]` and `client/COLLECTOR HOST.OS`: a report, answered with the host's section.
    Client,
    /// `clientsubmit HOST.OS [CLASS]`: a report without an answer.
    ClientSubmit,
    /// `status[+LIFETIME][/group:GROUP] HOST.TEST COLOR TEXT`.
    Status,
    /// `combo`: several statuses.
    Combo,
    /// `extcombo`: several messages.
    ExtCombo,
    /// `data HOST.NAME`: figures for graphs that we do not draw.
    Data,
    /// `download FILE`.
    Download(Cow<'a, str>),
    /// `config FILE`.
    Config(Cow<'a, str>),
    /// `query HOST.TEST`.
    Query(Cow<'a, str>),
    /// `xymondlog HOST.TEST`.
    Log(Cow<'a, str>),
    /// `clientlog HOST [section=A,B]`.
    ClientLog {
        /// Whose.
        host: Cow<'a, str>,
        /// Which sections; empty for all.
        sections: Vec<String>,
    },
    /// `xymondboard [CRITERIA] [fields=FIELDS]`.
    Board(Cow<'a, str>),
    /// `hostinfo [CRITERIA]`.
    HostInfo(Cow<'a, str>),
    /// `ghostlist`.
    GhostList,
    /// `senderstats`.
    SenderStats,
    /// `ping`.
    Ping,
    /// `flush filecache`: there is none.
    FlushFileCache,
    /// A command of Xymon that we do not carry out.
    Refused(&'static str),
    /// Nothing of Xymon's.
    Unknown,
}

/// What Xymon's server does and we do not: an operator of ours says such things to us.
const REFUSED: [&str; 16] = [
    "disable",
    "enable",
    "drop",
    "rename",
    "xymondack",
    "ack",
    "notify",
    "schedule",
    "modify",
    "notes",
    "usermsg",
    "meta",
    "pullclient",
    "xymondxlog",
    "xymondxboard",
    "compress:",
];

impl<'a> Command<'a> {
    /// Reads the beginning of a message. Any bytes have a command, if only [`Command::Unknown`].
    #[must_use]
    pub fn parse(message: &'a [u8]) -> Self {
        let line = message.split(|&byte| byte == b'\n').next();
        let line = line.unwrap_or_default().trim_ascii_end();
        // Nobody names anything with more bytes than this; those of `extcombo` are counted elsewhere.
        let line = String::from_utf8_lossy(line.get(..LONGEST).unwrap_or(line));
        let verb = line.split([' ', '\t']).next().unwrap_or_default();
        let first = || Cow::Owned(word(&line, 1));
        let rest = || Cow::Owned(line.get(verb.len()..).unwrap_or_default().trim().to_owned());
        match verb {
            "client" => Self::Client,
            _ if verb.starts_with("client/") => Self::Client,
            "clientsubmit" => Self::ClientSubmit,
            "status" => Self::Status,
            _ if verb.starts_with("status+") || verb.starts_with("status/") => Self::Status,
            "combo" => Self::Combo,
            "extcombo" => Self::ExtCombo,
            "data" => Self::Data,
            "download" => Self::Download(first()),
            "config" => Self::Config(first()),
            "query" => Self::Query(first()),
            "xymondlog" | "hobbitdlog" => Self::Log(first()),
            "clientlog" => Self::ClientLog {
                host: first(),
                sections: sections(&line),
            },
            "xymondboard" | "hobbitdboard" => Self::Board(rest()),
            "hostinfo" => Self::HostInfo(rest()),
            "ghostlist" => Self::GhostList,
            "senderstats" => Self::SenderStats,
            "ping" => Self::Ping,
            "flush" if word(&line, 1) == "filecache" => Self::FlushFileCache,
            _ => {
                let known = REFUSED.iter().find(|&&known| match known.ends_with(':') {
                    true => verb.starts_with(known),
                    false => verb == known,
                });
                known.map_or(Self::Unknown, |known| Self::Refused(known))
            }
        }
    }

    /// What a log calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ClientSubmit => "clientsubmit",
            Self::Status => "status",
            Self::Combo => "combo",
            Self::ExtCombo => "extcombo",
            Self::Data => "data",
            Self::Download(_) => "download",
            Self::Config(_) => "config",
            Self::Query(_) => "query",
            Self::Log(_) => "xymondlog",
            Self::ClientLog { .. } => "clientlog",
            Self::Board(_) => "xymondboard",
            Self::HostInfo(_) => "hostinfo",
            Self::GhostList => "ghostlist",
            Self::SenderStats => "senderstats",
            Self::Ping => "ping",
            Self::FlushFileCache => "flush filecache",
            Self::Refused(name) => name,
            Self::Unknown => "unknown",
        }
    }
}

/// Longest first line that is looked at, in bytes.
const LONGEST: usize = 4_096;

fn word(line: &str, index: usize) -> String {
    let word = line.split_ascii_whitespace().nth(index);
    word.unwrap_or_default().to_owned()
}

fn sections(line: &str) -> Vec<String> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let list = words.find_map(|word| word.strip_prefix("section="));
    let names = list.unwrap_or_default().split(',');
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A name and a test out of `HOST,WITH,COMMAS.TEST`, or with dots: the last one separates.
#[must_use]
pub fn host_and_test(word: &str) -> Option<(String, &str)> {
    let (host, test) = word.rsplit_once('.')?;
    (!host.is_empty() && !test.is_empty()).then(|| (host.replace(',', "."), test))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn first_words_are_commands() {
        let owned = |text: &str| Cow::Owned::<str>(text.to_owned());
        for (message, expected) in [
            ("client a.linux linux\n[date]\n", Command::Client),
            ("client/x a.linux", Command::Client),
            ("clientsubmit a.linux\n", Command::ClientSubmit),
            ("status+30m/group:g a.b green x", Command::Status),
            ("status/group:g a.b green x", Command::Status),
            ("download new.tar", Command::Download(owned("new.tar"))),
            ("download", Command::Download(owned(""))),
            ("download a b\n", Command::Download(owned("a"))),
            ("config", Command::Config(owned(""))),
            ("ping\r\n", Command::Ping),
            ("pingpong", Command::Unknown),
            ("PING", Command::Unknown),
            (
                "xymondboard  host=a fields=b",
                Command::Board(owned("host=a fields=b")),
            ),
            (
                "clientlog a.b section=date,,ps",
                Command::ClientLog {
                    host: owned("a.b"),
                    sections: vec!["date".into(), "ps".into()],
                },
            ),
            ("flush filecache", Command::FlushFileCache),
            ("flush", Command::Unknown),
            ("drop a", Command::Refused("drop")),
            ("compress:zlib 77\nxyz", Command::Refused("compress:")),
            ("", Command::Unknown),
        ] {
            assert_eq!(Command::parse(message.as_bytes()), expected, "{message}");
        }
        assert_eq!(
            host_and_test("www,example,org.conn"),
            Some(("www.example.org".into(), "conn"))
        );
        assert_eq!(host_and_test(".x"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_command(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::parse(&bytes).name();
        }
    }
}
