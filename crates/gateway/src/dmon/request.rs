//! The request lines, taken apart. Nothing here touches the network, and nothing panics on input.

use lockstep_model::{HostName, Interval, ItemName, View};

/// A command of the server, on port 22007.
#[derive(Debug, Clone, PartialEq)]
pub enum Server<'a> {
    /// `PING`.
    Ping,
    /// `STATE`.
    State,
    /// `WORK KIND HOST`, and `WORK_LM KIND HOST` without the text.
    Work {
        /// `client`, `server` or `pmaker`.
        kind: &'a str,
        /// Whose.
        host: HostName,
        /// True if the text is wanted, and not only its time.
        text: bool,
    },
    /// `REPORT JSON`.
    Report(&'a str),
    /// `EVENTS JSON`.
    Events(&'a str),
    /// `CLIENTS [HOST] [ITEM] [SPEC or COUNT]`.
    Clients(Vec<&'a str>),
    /// `CLIENT HOST COMMAND`.
    Client {
        /// Whose client.
        host: HostName,
        /// The request line for it.
        command: &'a str,
    },
    /// `ALLPING`.
    AllPing,
    /// `ALLSEND`.
    AllSend,
    /// `UPGRADE [HOST]`.
    Upgrade {
        /// One host, or all.
        host: Option<HostName>,
        /// True if a program is in the message.
        program: bool,
    },
}

/// A command of a client, on port 22008.
#[derive(Debug, Clone, PartialEq)]
pub enum Client<'a> {
    /// `PING`.
    Ping,
    /// `STATE`.
    State,
    /// `STOP SECRET`.
    Stop(&'a str),
    /// `HIST [INTERVAL [POINTS [HOST [NAME...]]]]`.
    Hist(Hist),
    /// `SEND`.
    Send,
    /// `UPGRADE [JSON]`.
    Upgrade {
        /// True if a program is in the message.
        program: bool,
    },
    /// `SERVER COMMAND`.
    Server(&'a str),
    /// `REPORT`.
    Report,
    /// `ZAP`.
    Zap,
}

/// What of the history is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Hist {
    /// Which view.
    pub view: View,
    /// Whose; none for the client's own.
    pub host: Option<HostName>,
    /// Which items; none for all.
    pub names: Vec<ItemName>,
}

/// A line that is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Bad {
    /// What the answer's frame says: the command, or `UNKNOWN`.
    pub name: String,
    /// Why, for people.
    pub why: String,
}

/// Most names of items in one HIST.
const MOST_NAMES: usize = 500;

/// The command's name, as it stands in the first line of the answer.
fn name_of(word: &str) -> String {
    let plain = |c: char| c.is_ascii_uppercase() || c == '_';
    if !word.is_empty() && word.len() <= 16 && word.chars().all(plain) {
        word.into()
    } else {
        "UNKNOWN".into()
    }
}

/// The first word and what is behind it.
fn split(line: &[u8]) -> Result<(&str, &str), Bad> {
    let refuse = |why: &str| Bad {
        name: "UNKNOWN".into(),
        why: why.into(),
    };
    let line = std::str::from_utf8(line).map_err(|_| refuse("the request is not UTF-8 text"))?;
    let line = line.trim();
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    if word.is_empty() {
        return Err(refuse("the request is empty"));
    }
    Ok((word, rest.trim()))
}

/// A host's name. dmon writes them as people do, ours are lower case.
fn host(text: &str) -> Result<HostName, String> {
    HostName::parse(&text.to_ascii_lowercase()).map_err(|error| error.to_string())
}

/// Takes a request to the server apart.
///
/// # Errors
/// [`Bad`], with the words of the answer.
pub fn server(line: &[u8]) -> Result<Server<'_>, Bad> {
    let (word, rest) = split(line)?;
    let refuse = |why: String| Bad {
        name: name_of(word),
        why,
    };
    let alone = |command| match rest {
        "" => Ok(command),
        _ => Err(refuse(format!("{word} has nothing behind it"))),
    };
    let words: Vec<&str> = rest.split_ascii_whitespace().take(8).collect();
    match word {
        "PING" => alone(Server::Ping),
        "STATE" => alone(Server::State),
        "ALLPING" => alone(Server::AllPing),
        "ALLSEND" => alone(Server::AllSend),
        "WORK" | "WORK_LM" => match words[..] {
            [kind @ ("client" | "server" | "pmaker"), name] => Ok(Server::Work {
                kind,
                host: host(name).map_err(refuse)?,
                text: word == "WORK",
            }),
            _ => Err(refuse(format!(
                "write {word} KIND HOST, where KIND is client, server or pmaker"
            ))),
        },
        "REPORT" => Ok(Server::Report(rest)),
        "EVENTS" => Ok(Server::Events(rest)),
        "CLIENTS" => match words.len() {
            0..=3 => Ok(Server::Clients(words)),
            _ => Err(refuse("write CLIENTS [HOST] [ITEM] [SPEC or COUNT]".into())),
        },
        "CLIENT" => {
            let (name, command) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
            if name.is_empty() || command.trim().is_empty() {
                return Err(refuse("write CLIENT HOST COMMAND".into()));
            }
            Ok(Server::Client {
                host: host(name).map_err(refuse)?,
                command: command.trim(),
            })
        }
        "UPGRADE" => match words[..] {
            [] => Ok(Server::Upgrade {
                host: None,
                program: false,
            }),
            [text, ..] if text.starts_with('{') => Ok(Server::Upgrade {
                host: None,
                program: true,
            }),
            [name] => Ok(Server::Upgrade {
                host: Some(host(name).map_err(refuse)?),
                program: false,
            }),
            [name, ..] => Ok(Server::Upgrade {
                host: Some(host(name).map_err(refuse)?),
                program: true,
            }),
        },
        _ => Err(refuse(
            "the server knows PING, STATE, WORK, WORK_LM, REPORT, EVENTS, CLIENTS, CLIENT, ALLPING, ALLSEND and UPGRADE".into(),
        )),
    }
}

/// Takes a request to a client apart.
///
/// # Errors
/// [`Bad`], with the words of the answer.
pub fn client(line: &[u8]) -> Result<Client<'_>, Bad> {
    let (word, rest) = split(line)?;
    let refuse = |why: String| Bad {
        name: name_of(word),
        why,
    };
    let alone = |command| match rest {
        "" => Ok(command),
        _ => Err(refuse(format!("{word} has nothing behind it"))),
    };
    match word {
        "PING" => alone(Client::Ping),
        "STATE" => alone(Client::State),
        "SEND" => alone(Client::Send),
        "REPORT" => alone(Client::Report),
        "ZAP" => alone(Client::Zap),
        "STOP" => Ok(Client::Stop(rest)),
        "HIST" => hist(rest).map(Client::Hist).map_err(refuse),
        "UPGRADE" => Ok(Client::Upgrade {
            program: !rest.is_empty(),
        }),
        "SERVER" => match rest {
            "" => Err(refuse("write SERVER COMMAND".into())),
            command => Ok(Client::Server(command)),
        },
        _ => Err(refuse(
            "a client knows PING, STATE, STOP, HIST, SEND, UPGRADE, SERVER, REPORT and ZAP".into(),
        )),
    }
}

fn hist(rest: &str) -> Result<Hist, String> {
    let mut words = rest.split_ascii_whitespace();
    let view = match words.next() {
        None => View::Day,
        Some(word) => {
            let first = word.chars().next().map(|first| first.to_ascii_lowercase());
            let of = |view: &View| view.as_str().chars().next() == first;
            let unknown = || format!("{word:?} is no interval: write H, D, W, M or Y");
            View::ALL.into_iter().find(of).ok_or_else(unknown)?
        }
    };
    // The number of points is ignored, as dmon ignores it; but it is a number.
    if let Some(points) = words.next()
        && points.parse::<f64>().is_err()
    {
        return Err(format!("{points:?} is not a number of points"));
    }
    let host = words.next().map(host).transpose()?;
    let names: Vec<ItemName> = words
        .take(MOST_NAMES + 1)
        .map(ItemName::parse)
        .collect::<Result<_, _>>()?;
    if names.len() > MOST_NAMES {
        return Err(format!("at most {MOST_NAMES} items are answered at once"));
    }
    Ok(Hist { view, host, names })
}

/// Which states and events CLIENTS is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// One host; none for all.
    pub host: Option<HostName>,
    /// One item; none for all.
    pub item: Option<String>,
    /// Which events.
    pub spec: Spec,
}

/// Which events.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Spec {
    /// All that there are.
    #[default]
    All,
    /// The newest.
    Last(u32),
    /// Those of this time.
    Within(Interval),
}

impl Filter {
    /// Reads the words behind CLIENTS. A spec in the first or second place begins with a digit or a sign, and a host of
    /// that name goes before.
    ///
    /// # Errors
    /// In words.
    pub fn parse(words: &[&str], is_host: impl Fn(&HostName) -> bool) -> Result<Self, String> {
        let spec_of = |word: &str, place: usize| -> Option<Spec> {
            if place < 2 && !word.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) {
                return None;
            }
            if place == 0 && host(word).is_ok_and(|name| is_host(&name)) {
                return None;
            }
            match word.parse::<u32>() {
                Ok(0) => Some(Spec::All),
                Ok(count) => Some(Spec::Last(count)),
                Err(_) => Interval::parse(word).ok().map(Spec::Within),
            }
        };
        let mut filter = Self::default();
        let mut words = words;
        if let [rest @ .., last] = words {
            match spec_of(last, rest.len()) {
                Some(spec) => (filter.spec, words) = (spec, rest),
                None if rest.len() == 2 => {
                    return Err(format!(
                        "{last:?} is neither a number of events nor an interval"
                    ));
                }
                None => {}
            }
        }
        if let Some(name) = words.first() {
            filter.host = Some(host(name)?);
        }
        filter.item = words.get(1).map(|item| (*item).to_owned());
        Ok(filter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn the_servers_commands_are_told_apart() {
        assert_eq!(server(b"PING"), Ok(Server::Ping));
        assert_eq!(server(b"  STATE \t"), Ok(Server::State));
        let work = |kind, text| Server::Work {
            kind,
            host: name("web1.example.org"),
            text,
        };
        assert_eq!(
            server(b"WORK client WEB1.example.org"),
            Ok(work("client", true))
        );
        assert_eq!(
            server(b"WORK_LM pmaker web1.example.org"),
            Ok(work("pmaker", false))
        );
        assert_eq!(
            server(b"REPORT {\"a\": {}}"),
            Ok(Server::Report("{\"a\": {}}"))
        );
        assert_eq!(
            server(b"CLIENTS web1 3"),
            Ok(Server::Clients(vec!["web1", "3"]))
        );
        let command = "HIST D 100 web1 cpu_load";
        assert_eq!(
            server(format!("CLIENT web1 {command}").as_bytes()),
            Ok(Server::Client {
                host: name("web1"),
                command
            })
        );
        for (line, expected) in [
            ("UPGRADE", (None, false)),
            ("UPGRADE web1", (Some("web1"), false)),
            ("UPGRADE {\"text\":\"#!/usr/bin/perl\"}", (None, true)),
            ("UPGRADE web1 {\"text\":1}", (Some("web1"), true)),
        ] {
            let (host, program) = expected;
            let host = host.map(name);
            assert_eq!(
                server(line.as_bytes()),
                Ok(Server::Upgrade { host, program }),
                "{line}"
            );
        }
    }

    #[test]
    fn the_clients_commands_are_told_apart() {
        for (line, expected) in [
            ("PING", Client::Ping),
            ("STATE", Client::State),
            ("SEND", Client::Send),
            ("REPORT", Client::Report),
            ("ZAP", Client::Zap),
            ("STOP abc", Client::Stop("abc")),
            ("STOP", Client::Stop("")),
            ("UPGRADE", Client::Upgrade { program: false }),
            (
                "UPGRADE {\"text\":\"x\"}",
                Client::Upgrade { program: true },
            ),
            ("SERVER CLIENTS web1", Client::Server("CLIENTS web1")),
        ] {
            assert_eq!(client(line.as_bytes()), Ok(expected), "{line}");
        }
        let hist = |text: &str| match client(text.as_bytes()) {
            Ok(Client::Hist(hist)) => (
                hist.view,
                hist.host.map(|it| it.to_string()),
                hist.names.len(),
            ),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(hist("HIST"), (View::Day, None, 0));
        assert_eq!(hist("HIST Y"), (View::Year, None, 0));
        assert_eq!(hist("HIST hour 100"), (View::Hour, None, 0));
        assert_eq!(
            hist("HIST Month 100 Web1 cpu_load disk_usage:/"),
            (View::Month, Some("web1".into()), 2)
        );
    }

    #[test]
    fn what_is_no_command_is_refused_by_its_name() {
        for (line, expected) in [
            (&b"PING x"[..], "PING"),
            (b"WORK other web1", "WORK"),
            (b"WORK client ../etc", "WORK"),
            (b"CLIENT web1", "CLIENT"),
            (b"CLIENTS a b c d", "CLIENTS"),
            (b"FORMAT", "FORMAT"),
            (b"ping", "UNKNOWN"),
            (b"", "UNKNOWN"),
            (b"\xff\xfe", "UNKNOWN"),
            (b"COMMAND DONE", "COMMAND"),
            (b"GET / HTTP/1.1", "GET"),
            (b"AAAAAAAAAAAAAAAAAAAAAAAAAAA", "UNKNOWN"),
        ] {
            assert_eq!(server(line).unwrap_err().name, expected, "{line:?}");
        }
        assert_eq!(client(b"HIST X").unwrap_err().name, "HIST");
        assert_eq!(client(b"HIST D many").unwrap_err().name, "HIST");
        assert_eq!(client(b"CLIENTS").unwrap_err().name, "CLIENTS");
        assert_eq!(client(b"SERVER").unwrap_err().name, "SERVER");
    }

    #[test]
    fn the_last_word_of_clients_says_which_events() {
        let known = name("3com");
        let read = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            Filter::parse(&words, |host| *host == known)
        };
        let filter = |host: Option<&str>, item: Option<&str>, spec| Filter {
            host: host.map(name),
            item: item.map(String::from),
            spec,
        };
        let day = Spec::Within(Interval::from_secs(86_400));
        for (text, expected) in [
            ("", filter(None, None, Spec::All)),
            ("0", filter(None, None, Spec::All)),
            ("20", filter(None, None, Spec::Last(20))),
            ("1d", filter(None, None, day)),
            ("web1", filter(Some("web1"), None, Spec::All)),
            ("d", filter(Some("d"), None, Spec::All)),
            ("3com", filter(Some("3com"), None, Spec::All)),
            ("web1 5", filter(Some("web1"), None, Spec::Last(5))),
            ("web1 md", filter(Some("web1"), Some("md"), Spec::All)),
            ("web1 md d", filter(Some("web1"), Some("md"), day)),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        assert!(read("web1 cpu_load soon").is_err());
        assert!(read("../x").is_err());
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parsers_panic(line in prop::collection::vec(any::<u8>(), 0..200), word in "[A-Z_]{0,8}") {
            let line = [word.as_bytes(), b" ", &line].concat();
            let _ = (server(&line), client(&line));
            if let Ok(Server::Clients(words)) = server(&line) {
                let _ = Filter::parse(&words, |_| false);
            }
        }
    }
}
