//! Packets of the domain name system (RFC 1035), as much of them as a check needs.
//!
//! It is written here because the ready ones either resolve, validate and cache, which is a hundred times of this, or
//! set aside as much memory as the head of a packet claims.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Txt,
}

/// The kinds with their names and numbers.
const KINDS: [(Kind, &str, u16); 7] = [
    (Kind::A, "A", 1),
    (Kind::Aaaa, "AAAA", 28),
    (Kind::Cname, "CNAME", 5),
    (Kind::Mx, "MX", 15),
    (Kind::Ns, "NS", 2),
    (Kind::Ptr, "PTR", 12),
    (Kind::Txt, "TXT", 16),
];

/// The internet.
const CLASS: u16 = 1;
/// The record of the extensions (RFC 6891).
const OPT: u16 = 41;
/// Answers that are looked at.
const MOST_ANSWERS: u16 = 256;
/// Jumps within one name: a packet that goes in circles is not followed for ever.
const MOST_JUMPS: usize = 16;
const HEAD: usize = 12;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: String,
    kind: Kind,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    code: u8,
    /// True if there is more, which does not fit into a packet of UDP.
    pub(super) is_cut: bool,
    /// The records of the kind that was asked for, as texts.
    pub(super) answers: Vec<String>,
    kind: Kind,
}

impl Question {
    pub(super) fn new(name: &str, kind: Kind) -> Result<Self, String> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'))
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            return Err(format!("{name:?} is not a name of the domain name system"));
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            kind,
        })
    }

    /// The packet; with the largest answer that may come by UDP.
    pub(super) fn packet(&self, id: u16, udp: Option<u16>) -> Vec<u8> {
        let mut packet = id.to_be_bytes().to_vec();
        // A plain question, and the server shall ask others where it has to.
        packet.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(udp.is_some())]);
        for label in self.name.split('.') {
            packet.push(u8::try_from(label.len()).unwrap_or(63));
            packet.extend(label.as_bytes());
        }
        packet.push(0);
        packet.extend(self.kind.number().to_be_bytes());
        packet.extend(CLASS.to_be_bytes());
        if let Some(largest) = udp {
            packet.push(0);
            packet.extend(OPT.to_be_bytes());
            packet.extend(largest.to_be_bytes());
            packet.extend([0; 6]);
        }
        packet
    }
}

impl Reply {
    /// Reads a packet that answers this question; an error says why it does not.
    pub(super) fn read(bytes: &[u8], id: u16, question: &Question) -> Result<Self, String> {
        let mut packet = Packet { bytes, at: 0 };
        let is_reply = packet.number()? == id;
        let flags = packet.number()?;
        let (questions, answers) = (packet.number()?, packet.number()?);
        if !is_reply || flags & 0x8000 == 0 {
            return Err("it is not an answer to this question".into());
        }
        let [_, code] = flags.to_be_bytes();
        let mut reply = Self {
            code: code & 15,
            is_cut: flags & 0x0200 != 0,
            answers: Vec::new(),
            kind: question.kind,
        };
        packet.at = HEAD;
        // Servers may leave the question out when they refuse.
        if questions == 0 && reply.code != 0 {
            return Ok(reply);
        }
        let (name, kind) = (packet.name()?, packet.number()?);
        let is_same = name.eq_ignore_ascii_case(&question.name) && kind == question.kind.number();
        if questions != 1 || !is_same || packet.number()? != CLASS {
            return Err("it is not an answer to this question".into());
        }
        for _ in 0..answers.min(MOST_ANSWERS) {
            match packet.record(question.kind) {
                Ok(Some(answer)) => reply.answers.push(answer),
                Ok(None) => {}
                // Where it was cut, the rest comes by TCP.
                Err(_) if reply.is_cut => break,
                Err(why) => return Err(why),
            }
        }
        Ok(reply)
    }

    /// Why the server gives no answer.
    pub(super) fn refusal(&self) -> Option<String> {
        let words = match self.code {
            0 => return None,
            1 => "the question is malformed",
            2 => "the server failed",
            3 => "there is no such name",
            4 => "not implemented",
            5 => "refused",
            other => return Some(format!("code {other}")),
        };
        Some(words.into())
    }

    /// True if the text is among the answers. Names are the same whatever their case; of an MX the host suffices.
    pub(super) fn has(&self, wanted: &str) -> bool {
        if self.kind == Kind::Txt {
            return self.answers.iter().any(|answer| answer == wanted);
        }
        let wanted = wanted.strip_suffix('.').unwrap_or(wanted);
        self.answers.iter().any(|answer| {
            let host = answer
                .split_once(' ')
                .map_or(answer.as_str(), |(_, host)| host);
            answer.eq_ignore_ascii_case(wanted) || host.eq_ignore_ascii_case(wanted)
        })
    }
}

struct Packet<'a> {
    bytes: &'a [u8],
    at: usize,
}

const SHORT: &str = "the packet ends too early";

impl<'a> Packet<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count));
        self.at += count;
        taken.ok_or_else(|| SHORT.into())
    }

    fn number(&mut self) -> Result<u16, String> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A name, and on to what stands behind it. Names may go on elsewhere in the packet.
    fn name(&mut self) -> Result<String, String> {
        let mut name = String::new();
        let mut jumps = 0;
        let mut behind = None;
        loop {
            let length = self.take(1)?[0];
            match length {
                0 => break,
                1..=63 => {
                    let label = self.take(usize::from(length))?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.extend(
                        label
                            .iter()
                            .flat_map(|byte| byte.escape_ascii())
                            .map(char::from),
                    );
                    // Escapes are up to four characters for a byte.
                    if name.len() > 4 * 255 {
                        return Err("a name is too long".into());
                    }
                }
                192.. => {
                    let low = self.take(1)?[0];
                    behind.get_or_insert(self.at);
                    jumps += 1;
                    if jumps > MOST_JUMPS {
                        return Err("a name goes in circles".into());
                    }
                    self.at = usize::from(length & 63) << 8 | usize::from(low);
                }
                _ => return Err("a name is malformed".into()),
            }
        }
        if let Some(behind) = behind {
            self.at = behind;
        }
        Ok(name)
    }

    /// A record, if it is of this kind, as a text.
    fn record(&mut self, wanted: Kind) -> Result<Option<String>, String> {
        self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        self.take(4)?;
        let length = usize::from(self.number()?);
        let end = self.at + length;
        if end > self.bytes.len() {
            return Err(SHORT.into());
        }
        let text = if kind == wanted.number() && class == CLASS {
            Some(self.data(wanted, end)?)
        } else {
            None
        };
        self.at = end;
        Ok(text)
    }

    fn data(&mut self, kind: Kind, end: usize) -> Result<String, String> {
        let length = end - self.at;
        let odd = |_| format!("a record {kind} is malformed");
        match kind {
            Kind::A => {
                let bytes: [u8; 4] = self.take(length)?.try_into().map_err(odd)?;
                Ok(Ipv4Addr::from(bytes).to_string())
            }
            Kind::Aaaa => {
                let bytes: [u8; 16] = self.take(length)?.try_into().map_err(odd)?;
                Ok(Ipv6Addr::from(bytes).to_string())
            }
            Kind::Cname | Kind::Ns | Kind::Ptr => self.name(),
            Kind::Mx => {
                let preference = self.number()?;
                Ok(format!("{preference} {}", self.name()?))
            }
            Kind::Txt => {
                let mut text = Vec::new();
                while self.at < end {
                    let length = usize::from(self.take(1)?[0]);
                    text.extend(self.take(length.min(end - self.at))?);
                }
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
        }
    }
}

impl Kind {
    fn entry(self) -> (&'static str, u16) {
        let entry = KINDS.iter().find(|(kind, ..)| *kind == self);
        entry.map_or(("A", 1), |(_, name, number)| (*name, *number))
    }

    fn number(self) -> u16 {
        self.entry().1
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.entry().0)
    }
}
impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = KINDS
            .iter()
            .find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(kind, ..)| *kind).ok_or_else(|| {
            let names = KINDS.map(|(_, name, _)| name);
            format!(
                "{text:?} is not a type of record; they are {}",
                names.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An answer to the question, with records whose name points at the question's.
    pub(super) fn answer(
        question: &Question,
        id: u16,
        flags: u16,
        records: &[(u16, &[u8])],
    ) -> Vec<u8> {
        let mut packet = question.packet(id, None);
        packet[2..4].copy_from_slice(&(0x8000 | flags).to_be_bytes());
        packet[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        for (kind, data) in records {
            packet.extend([0xc0, 12]);
            packet.extend(kind.to_be_bytes());
            packet.extend([0, 1, 0, 0, 0, 60]);
            packet.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            packet.extend(*data);
        }
        packet
    }

    fn ask(kind: &str) -> Question {
        Question::new("Www.Example.org.", kind.parse().unwrap()).unwrap()
    }

    fn read(kind: &str, records: &[(u16, &[u8])]) -> Result<Reply, String> {
        let question = ask(kind);
        Reply::read(&answer(&question, 7, 0, records), 7, &question)
    }

    #[test]
    fn all_kinds_are_read() {
        let is = |kind, number, data: &[u8], text: &str| {
            // One of another kind goes before it: aliases do.
            let reply = read(kind, &[(6, b"???"), (number, data)]).unwrap();
            assert_eq!(reply.answers, [text]);
            assert!(reply.has(text) && !reply.has("other") && reply.refusal().is_none());
        };
        is("A", 1, &[192, 0, 2, 1], "192.0.2.1");
        is(
            "AAAA",
            28,
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            "2001:db8::1",
        );
        is("CNAME", 5, b"\x01a\xc0\x0c", "a.www.example.org");
        is("NS", 2, b"\x01a\x01B\0", "a.B");
        is("PTR", 12, b"\x03a b\0", "a b");
        is("TXT", 16, b"\x03abc\x02de", "abcde");
        is(
            "MX",
            15,
            b"\0\x0a\x04mail\xc0\x0c",
            "10 mail.www.example.org",
        );
        assert!(
            read("MX", &[(15, b"\0\x0a\x04mail\0")])
                .unwrap()
                .has("Mail.")
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let question = ask("A");
        let good = answer(&question, 7, 0, &[]);
        assert!(Reply::read(&good, 7, &question).is_ok());
        assert!(Reply::read(&good, 8, &question).is_err());
        assert!(Reply::read(&good, 7, &ask("MX")).is_err());
        assert!(Reply::read(&question.packet(7, None), 7, &question).is_err());
        let other = Question::new("example.org", Kind::A).unwrap();
        assert!(Reply::read(&good, 7, &other).is_err());
        let missing = Reply::read(&answer(&question, 7, 3, &[]), 7, &question).unwrap();
        assert_eq!(missing.refusal().unwrap(), "there is no such name");
        assert!(
            Reply::read(&answer(&question, 7, 0x200, &[]), 7, &question)
                .unwrap()
                .is_cut
        );
        for bad in ["", "a..b", "a b", &"a".repeat(64), &"a.".repeat(128)] {
            assert!(Question::new(bad, Kind::A).is_err(), "{bad}");
        }
    }

    #[test]
    fn circles_end() {
        let question = ask("NS");
        let length = question.packet(7, None).len();
        // The record's data is a name that points at itself.
        let at = u8::try_from(length + 12).unwrap();
        let packet = answer(&question, 7, 0, &[(2, &[0xc0, at])]);
        assert!(
            Reply::read(&packet, 7, &question)
                .unwrap_err()
                .contains("circles")
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(
            mut packet in prop::collection::vec(any::<u8>(), 0..80),
            records in prop::collection::vec((0..30_u16, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
            kind in 0..KINDS.len(),
            cut in 0..200_usize,
        ) {
            let question = Question::new("a.b", KINDS[kind].0).unwrap();
            let _ = Reply::read(&packet, 7, &question);
            let records: Vec<_> = records.iter().map(|(kind, data)| (*kind, data.as_slice())).collect();
            let mut whole = answer(&question, 7, 0, &records);
            let _ = Reply::read(&whole, 7, &question);
            whole.truncate(cut);
            let _ = Reply::read(&whole, 7, &question);
            packet.splice(0..0, whole);
            let _ = Reply::read(&packet, 7, &question);
        }
    }
}
