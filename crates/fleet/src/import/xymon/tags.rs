//! The tags of a host in `hosts.cfg`: what each one means here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::write::Value;

/// What a tag means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// A label of the host.
    Label(&'static str, String),
    /// A look at the host over the network.
    Check(Check),
    /// Several of them.
    Checks(Vec<Check>),
    /// It is not pinged.
    NoPing,
    /// It is pinged, as by default.
    Ping,
    /// It is also pinged at these addresses.
    Pings(Vec<IpAddr>),
    /// Tests go to the address in the file.
    ByAddress,
    /// It may be off.
    Dialup,
    /// Certificates are not looked at.
    NoCertificates,
    /// Days before a certificate expires, for yellow and red.
    CertificateDays(u32, u32),
    /// Routers without which it cannot be reached.
    Route(Vec<String>),
    /// Hours, and the reason, of maintenance.
    Downtime(String, String),
    /// There is nothing like it here, and this is why.
    Left(String),
}

/// A look at a host over the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) probe: &'static str,
    pub(super) at: At,
    pub(super) options: BTreeMap<&'static str, Value>,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// The host, by a protocol without ports or at its usual port.
    Host,
    /// A port of the host.
    Port(u16),
    /// What is named here: an address of a page.
    Named(String),
    /// A name that the host is asked for: it is a server of names.
    Asked(String),
}

/// Services with their ports and the beginning of what they say: `protocols.cfg` of Xymon.
const SERVICES: [(&str, u16, &str); 26] = [
    ("amqp", 5672, ""),
    ("bbd", 1984, ""),
    ("clamd", 3310, ""),
    ("ftp", 21, "220"),
    ("imap", 143, "* OK"),
    ("imap2", 143, "* OK"),
    ("imap3", 220, "* OK"),
    ("imap4", 143, "* OK"),
    ("ldap", 389, ""),
    ("msa", 587, "220"),
    ("nntp", 119, "200"),
    ("oratns", 1521, ""),
    ("pop", 110, "+OK"),
    ("pop-2", 109, "+OK"),
    ("pop-3", 110, "+OK"),
    ("pop2", 109, "+OK"),
    ("pop3", 110, "+OK"),
    ("qmqp", 628, ""),
    ("qmtp", 209, ""),
    ("rsync", 873, "@RSYNCD"),
    ("smtp", 25, "220"),
    ("spamd", 783, ""),
    ("submission", 587, "220"),
    ("svn", 3690, "( success"),
    ("telnet", 23, ""),
    ("vnc", 5900, "RFB "),
];

/// Services within TLS.
const WITHIN_TLS: [(&str, u16); 8] = [
    ("amqps", 5671),
    ("ftps", 990),
    ("imaps", 993),
    ("ldaps", 636),
    ("nntps", 563),
    ("pop3s", 995),
    ("smtps", 465),
    ("telnets", 992),
];

/// Tags that are about Xymon's pages and reports.
const SHOWN: [&str; 28] = [
    "noinfo",
    "notrends",
    "nonongreen",
    "nodisp",
    "nobb2",
    "noclient",
    "prefer",
    "HIDEHTTP",
    "hidehttp",
    "multihomed",
    "noclear",
    "trace",
    "notrace",
    "NOCOLUMNS:",
    "TRENDS:",
    "LARRD:",
    "COMPACT:",
    "INTERFACES:",
    "NK:",
    "NKTIME=",
    "WML:",
    "NOPROPRED:",
    "NOPROPYELLOW:",
    "NOPROPPURPLE:",
    "NOPROPACK:",
    "REPORTTIME=",
    "WARNPCT:",
    "noflap",
];

/// Tags that have another place here: how they begin, and where that is.
const ELSEWHERE: [(&str, &str); 27] = [
    ("delayred=", "say it by for in a fitness function"),
    ("delayyellow=", "say it by for in a fitness function"),
    ("bad", "say it by for in a fitness function"),
    ("CLIENT:", "a host has one name here"),
    ("NET:", "who looks is said by --watcher"),
    ("SLA=", "say when nobody is told by [silence.NAME]"),
    (
        "depends=",
        "hosts depend on hosts here, not tests on tests: say it by depends of the host",
    ),
    (
        "route_",
        "hosts have one list of those that they depend on: depends",
    ),
    ("sslbits=", "the strength of keys is not looked at"),
    ("sni", "the name is always sent"),
    ("nosni", "the name is always sent"),
    ("rpc", "there is no probe for RPC"),
    (
        "apache",
        "there is no probe for it; prometheus: reads figures of exporters",
    ),
    (
        "ldap://",
        "there is no probe that asks a directory; tcp: looks at the port",
    ),
    (
        "ldaps://",
        "there is no probe that asks a directory; tls: looks at the port",
    ),
    ("ldaplogin=", "there is no probe that asks a directory"),
    ("ldapyellowfail", "there is no probe that asks a directory"),
    ("post", "the probe http sends no forms"),
    ("nopost", "the probe http sends no forms"),
    ("soap", "the probe http sends no forms"),
    ("nosoap", "the probe http sends no forms"),
    (
        "type",
        "the probe http does not look at the type of what comes",
    ),
    ("headermatch", "the probe http looks at the body only"),
    ("browser=", "the probe http says who it is"),
    (
        "httphdr=",
        "passwords stand in secrets.toml, see the option auth",
    ),
    ("content=", "write it as cont;URL;TEXT"),
    ("pulldata", "agents report by themselves"),
];

impl Check {
    pub(super) fn new(probe: &'static str, at: At) -> Self {
        Self {
            probe,
            at,
            options: BTreeMap::new(),
        }
    }

    fn with(mut self, option: &'static str, value: Value) -> Self {
        self.options.insert(option, value);
        self
    }
}

/// What a tag means.
pub(super) fn meaning(tag: &str) -> Tag {
    let left = |why: &str| Tag::Left(why.to_owned());
    for (begin, label) in [
        ("CLASS:", "class"),
        ("NAME:", "name"),
        ("COMMENT:", "comment"),
        ("DESCR:", "descr"),
    ] {
        if let Some(value) = tag.strip_prefix(begin) {
            return match value.is_empty() {
                true => left("it says nothing"),
                false => Tag::Label(label, value.to_owned()),
            };
        }
    }
    match tag {
        "conn" => return Tag::Ping,
        "noconn" | "noping" => return Tag::NoPing,
        "testip" => return Tag::ByAddress,
        "dialup" => return Tag::Dialup,
        "nosslcert" => return Tag::NoCertificates,
        _ => {}
    }
    if let Some(days) = tag.strip_prefix("ssldays=") {
        let days = days.split_once(':').and_then(|(warn, alarm)| {
            let (warn, alarm): (u32, u32) = (warn.parse().ok()?, alarm.parse().ok()?);
            (warn > alarm && warn < 10_000).then_some(Tag::CertificateDays(warn, alarm))
        });
        return days.unwrap_or_else(|| left("it is written as ssldays=30:10"));
    }
    if let Some(routers) = tag.strip_prefix("route:") {
        return Tag::Route(routers.split(',').map(str::to_owned).collect());
    }
    if let Some(times) = tag.strip_prefix("DOWNTIME=") {
        return match super::super::xymon::hosts::downtime(times) {
            Ok((hours, why)) => Tag::Downtime(hours, why),
            Err(why) => Tag::Left(why),
        };
    }
    if let Some(addresses) = tag.strip_prefix("conn=") {
        return pings(addresses);
    }
    if SHOWN.iter().any(|word| {
        tag == *word
            || (word.ends_with([':', '=']) && tag.starts_with(word))
            || tag
                .strip_prefix(word)
                .is_some_and(|rest| rest.starts_with('='))
    }) {
        return left("it is about Xymon's pages and reports");
    }
    if tag.starts_with('!') {
        return left("it says that a service must not answer; no probe is turned round");
    }
    if tag.starts_with('?') {
        return left("it says that a service may be off; an item is watched or it is not");
    }
    // A look does not wait for the ping here, which is what ~ says.
    let tag = tag.strip_prefix('~').unwrap_or(tag);
    if let Some(tag) = page(tag) {
        return tag;
    }
    if let Some(tag) = service(tag) {
        return tag;
    }
    let elsewhere = ELSEWHERE.iter().find(|(begin, _)| tag.starts_with(begin));
    left(elsewhere.map_or("there is no such test here", |(_, why)| why))
}

fn pings(addresses: &str) -> Tag {
    let addresses = match addresses.split_once(',') {
        Some(("best", _)) => {
            return Tag::Left(
                "it asks for the best of several addresses; items are judged each by itself".into(),
            );
        }
        Some(("worst", rest)) => rest,
        _ => addresses,
    };
    match addresses.split(',').map(str::parse).collect() {
        Ok(addresses) => Tag::Pings(addresses),
        Err(_) => Tag::Left("addresses are expected".into()),
    }
}

/// A test of a page.
fn page(tag: &str) -> Option<Tag> {
    if tag.starts_with("http://") || tag.starts_with("https://") {
        return Some(match address(tag) {
            Ok(address) => Tag::Check(Check::new("http", At::Named(address))),
            Err(why) => Tag::Left(why),
        });
    }
    if tag.contains("://") && tag.starts_with("http") && !tag.contains(';') {
        return Some(Tag::Left(
            "it forces a version of HTTP or TLS; write it with http:// or https://".into(),
        ));
    }
    let mut parts = tag.split(';');
    let kind = parts.next()?.split('=').next()?;
    if !matches!(kind, "cont" | "nocont" | "httphead" | "httpstatus") {
        return None;
    }
    let check = match address(parts.next().unwrap_or_default()) {
        Ok(address) => Check::new("http", At::Named(address)),
        Err(why) => return Some(Tag::Left(why)),
    };
    let expected: Vec<&str> = parts.collect();
    let expected = expected.join(";");
    let plain = !expected.is_empty()
        && !expected.contains(['\\', '[', '(', '.', '*', '+', '?', '^', '$', '|', '{', '#']);
    Some(match kind {
        "httphead" => Tag::Check(check.with("method", Value::Text("HEAD".into()))),
        "httpstatus" => match statuses(&expected) {
            Some(statuses) => Tag::Check(check.with("status", Value::List(statuses))),
            None => Tag::Left("the statuses are not plain numbers: give the option status of the probe http".into()),
        },
        _ if !plain => Tag::Left("the probe http looks for a plain text, not for an expression or a digest: give its options body or not_body".into()),
        "cont" => Tag::Check(check.with("body", Value::Text(expected))),
        _ => Tag::Check(check.with("not_body", Value::Text(expected))),
    })
}

/// Statuses as in `200|301`, `2..`, without a second list of those that are wrong.
fn statuses(text: &str) -> Option<Vec<String>> {
    let text = text.trim_end_matches(';');
    let text = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(text);
    let status = |part: &str| {
        let first = part.chars().next().filter(|c| ('1'..='5').contains(c))?;
        if part.len() == 3 && &part[1..] == ".." {
            return Some(format!("{first}xx"));
        }
        let digits = part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.to_owned())
    };
    text.split('|').map(status).collect()
}

/// An address of a page as our probe takes it.
fn address(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err("it forces a version of HTTP or TLS; write it with http:// or https://".into());
    }
    if rest.contains("://") {
        return Err("pages are not fetched by a proxy".into());
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let authority = &rest[..end];
    if authority.contains('@') {
        return Err("a password does not belong in an address: put it into secrets.toml of the host that looks, and name it by the option auth".into());
    }
    if authority.contains('=') {
        return Err("the address of a page cannot be another one than its name says".into());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_is_right = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(name),
    };
    let port_is_right = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !host_is_right || !port_is_right || text.contains(char::is_whitespace) {
        return Err("this is not the address of a page".into());
    }
    Ok(text.to_owned())
}

/// A test of a service: its name, and perhaps a port (`smtp:2525`).
fn service(tag: &str) -> Option<Tag> {
    if let Some(asked) = tag
        .strip_prefix("dns=")
        .or_else(|| tag.strip_prefix("dig="))
    {
        return Some(names(asked));
    }
    let mut parts = tag.split(':');
    let name = parts.next()?;
    let port = match parts.next() {
        None | Some("s") => None,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return None,
        },
    };
    let ports = |usual: u16| At::Port(port.unwrap_or(usual));
    if matches!(name, "ssh" | "ssh1" | "ssh2") {
        return Some(Tag::Check(Check::new(
            "ssh",
            port.map_or(At::Host, At::Port),
        )));
    }
    if let Some((_, usual, expect)) = SERVICES.iter().find(|it| it.0 == name) {
        let check = Check::new("tcp", ports(*usual));
        return Some(Tag::Check(match expect.is_empty() {
            true => check,
            false => check.with("expect", Value::Text((*expect).to_owned())),
        }));
    }
    if let Some((_, usual)) = WITHIN_TLS.iter().find(|it| it.0 == name) {
        return Some(Tag::Check(Check::new("tls", ports(*usual))));
    }
    match tag {
        "dns" | "dig" => Some(Tag::Check(Check::new("dns", At::Asked(String::new())))),
        "ntp" => Some(Tag::Check(Check::new("ntp", At::Host))),
        _ => None,
    }
}

/// `NAME`, or several as in `MX:NAME,A:NAME`.
fn names(asked: &str) -> Tag {
    let one = |part: &str| {
        let (kind, name) = match part.split_once(':') {
            Some((kind, name)) => (Some(kind.to_ascii_uppercase()), name),
            None => (None, part),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            return None;
        }
        let check = Check::new("dns", At::Asked(name.to_owned()));
        match kind.as_deref() {
            None | Some("A") => Some(check),
            Some("AAAA" | "CNAME" | "MX" | "NS" | "PTR" | "TXT") => {
                Some(check.with("type", Value::Text(kind?)))
            }
            Some(_) => None,
        }
    };
    match asked.split(',').map(one).collect::<Option<Vec<Check>>>() {
        Some(checks) => Tag::Checks(checks),
        None => Tag::Left("it asks for what the probe dns does not ask for".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tag: &str) -> Check {
        match meaning(tag) {
            Tag::Check(check) => check,
            other => panic!("{tag}: {other:?}"),
        }
    }

    #[test]
    fn tests_become_looks() {
        assert_eq!(check("ssh"), Check::new("ssh", At::Host));
        assert_eq!(check("ssh:2222"), Check::new("ssh", At::Port(2222)));
        assert_eq!(check("~ftps:9990:s"), Check::new("tls", At::Port(9990)));
        let smtp = check("smtp");
        assert_eq!(smtp.at, At::Port(25));
        assert_eq!(smtp.options["expect"], Value::Text("220".into()));
        assert_eq!(
            check("http://a.example/x?y=1").at,
            At::Named("http://a.example/x?y=1".into())
        );
        assert_eq!(
            check("cont;http://a/;hello world").options["body"],
            Value::Text("hello world".into())
        );
        assert_eq!(
            check("nocont=col;https://a:8443/;down").options["not_body"],
            Value::Text("down".into())
        );
        let statuses = Value::List(vec!["2xx".into(), "301".into()]);
        assert_eq!(
            check("httpstatus;http://a/;(2..|301);").options["status"],
            statuses
        );
        let Tag::Checks(checks) = meaning("dns=mx:a.example,b.example") else {
            panic!()
        };
        assert_eq!(checks.len(), 2);
        assert_eq!(checks[0].options["type"], Value::Text("MX".into()));
    }

    #[test]
    fn what_has_no_likeness_says_why() {
        let why = |tag: &str| match meaning(tag) {
            Tag::Left(why) => why,
            other => panic!("{tag}: {other:?}"),
        };
        for (tag, part) in [
            ("http://u:p@a.example/", "secrets.toml"),
            ("http://a=192.0.2.1/", "another one"),
            ("http://proxy/http://a/", "proxy"),
            ("https3://a/", "forces"),
            ("http://a b/", "not the address"),
            ("http://:80/", "not the address"),
            ("cont;http://a/;x.*y", "plain text"),
            ("httpstatus;http://a/;2..;404", "numbers"),
            ("!telnet", "must not"),
            ("?ssh", "may be off"),
            ("rpc=mount", "RPC"),
            ("noflap=x", "pages"),
            ("NOPROPRED:+x", "pages"),
            ("badconn:1:2:3", "for"),
            ("smtp:0", "no such test"),
            ("conn=best,192.0.2.1", "best"),
            ("conn=x", "addresses"),
            ("ssldays=1:2", "30:10"),
            ("dns=SOA:a", "dns"),
            ("whatever", "no such test"),
        ] {
            assert!(why(tag).contains(part), "{tag}: {}", why(tag));
        }
    }
}
