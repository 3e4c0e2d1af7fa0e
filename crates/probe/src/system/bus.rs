//! A client of the system bus: it asks one thing after the other and waits for each answer.
//!
//! Source: the D-Bus specification 0.43. Of it there is what a question and its answer need: authentication by the
//! socket's own word on who is at the other end (`EXTERNAL`), calls of methods, answers in both byte orders. Signals
//! are passed over; file descriptors are not negotiated, so none can come. Whoever connects sets a deadline; a
//! connection ends when it is dropped.

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
pub(super) mod wire;

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use wire::{Reader, Writer};

/// Where the bus is, below the root.
const SOCKET: &str = "run/dbus/system_bus_socket";
/// Largest answer, in bytes: the list of all units of a large server is a quarter of it.
const LARGEST_MESSAGE: u32 = 1024 * 1024;
/// Most messages that are passed over while one waits for an answer.
const MOST_OTHERS: usize = 100;
/// Longest line of the authentication, in bytes.
const LONGEST_LINE: usize = 512;

/// Kinds of messages.
const CALL: u8 = 1;
const ANSWER: u8 = 2;
const ERROR: u8 = 3;

/// Fields of a message's header.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A connection.
#[derive(Debug)]
pub(super) struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
}

/// A method to be called.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    /// The types of the arguments.
    pub(super) signature: &'a str,
    pub(super) body: Writer,
}

impl<'a> Call<'a> {
    /// A call without arguments.
    pub(super) fn new(
        destination: &'a str,
        path: &'a str,
        interface: &'a str,
        member: &'a str,
    ) -> Self {
        Self {
            destination,
            path,
            interface,
            member,
            signature: "",
            body: Writer::default(),
        }
    }

    /// Asks for a property of an object's interface that has the same name as its destination.
    pub(super) fn property(destination: &'a str, path: &'a str, property: &str) -> Self {
        let mut body = Writer::default();
        body.string(destination);
        body.string(property);
        Self {
            signature: "ss",
            body,
            ..Self::new(destination, path, "org.freedesktop.DBus.Properties", "Get")
        }
    }
}

/// The arguments of an answer.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    signature: String,
    bytes: Vec<u8>,
    is_big_endian: bool,
}

impl Answer {
    /// Reads arguments of these types.
    pub(super) fn read<T>(
        &self,
        signature: &str,
        read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
    ) -> Result<T, String> {
        if self.signature != signature {
            return Err(format!(
                "the system bus gave an answer of the type {:?} instead of {signature:?}",
                self.signature
            ));
        }
        read(&mut Reader::new(&self.bytes, self.is_big_endian))
            .ok_or_else(|| "the system bus gave an answer that is not understood".into())
    }
}

/// A message's header, as far as it matters.
#[derive(Debug, Default)]
struct Header {
    kind: u8,
    reply_serial: Option<u32>,
    error_name: String,
    signature: String,
}

impl Bus {
    /// True if something listens there.
    pub(super) fn is_there(root: &Path) -> bool {
        root.join(SOCKET).exists()
    }

    /// Connects to the bus of the machine below a root.
    pub(super) async fn connect(root: &Path) -> Result<Self, String> {
        let path = root.join(SOCKET);
        let stream = UnixStream::connect(&path)
            .await
            .map_err(|error| format!("there is no system bus at {}: {error}", path.display()))?;
        let mut bus = Self {
            stream: BufReader::new(stream),
            serial: 0,
        };
        bus.authenticate().await?;
        let driver = "org.freedesktop.DBus";
        bus.call(Call::new(driver, "/org/freedesktop/DBus", driver, "Hello"))
            .await?;
        Ok(bus)
    }

    async fn authenticate(&mut self) -> Result<(), String> {
        let uid = rustix::process::geteuid().as_raw().to_string();
        let mut begin = String::from("\0AUTH EXTERNAL ");
        for byte in uid.bytes() {
            write!(begin, "{byte:02x}").expect("a string takes everything");
        }
        begin.push_str("\r\n");
        self.send(begin.as_bytes()).await?;
        let line = self.line().await?;
        if !line.starts_with(b"OK ") {
            return Err(format!(
                "the system bus does not let user {uid} in: {}",
                line.escape_ascii()
            ));
        }
        self.send(b"BEGIN\r\n").await
    }

    async fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        while line.len() < LONGEST_LINE {
            match self.stream.read_u8().await.map_err(broken)? {
                b'\n' => {
                    line.pop_if(|byte| *byte == b'\r');
                    return Ok(line);
                }
                byte => line.push(byte),
            }
        }
        Err("the system bus does not end its line".into())
    }

    /// Calls a method and waits for its answer.
    pub(super) async fn call(&mut self, call: Call<'_>) -> Result<Answer, String> {
        self.serial += 1;
        let member = format!("{}.{}", call.interface, call.member);
        self.send(&marshal(call, self.serial)).await?;
        for _ in 0..MOST_OTHERS {
            let (header, answer) = self.receive().await?;
            if header.reply_serial != Some(self.serial) {
                continue;
            }
            match header.kind {
                ANSWER => return Ok(answer),
                ERROR => {
                    // The first argument, if it is a text, says more.
                    let text = Reader::new(&answer.bytes, answer.is_big_endian)
                        .string()
                        .filter(|_| header.signature.starts_with('s'))
                        .unwrap_or_default();
                    return Err(format!("{member} failed: {}: {text}", header.error_name));
                }
                _ => {}
            }
        }
        Err(format!(
            "the system bus does not answer {member}, but talks of other things"
        ))
    }

    async fn receive(&mut self) -> Result<(Header, Answer), String> {
        let odd = || "the system bus sent something that is not understood".to_owned();
        let mut fixed = [0; 16];
        self.stream.read_exact(&mut fixed).await.map_err(broken)?;
        let is_big_endian = match fixed[0] {
            b'l' => false,
            b'B' => true,
            _ => return Err(odd()),
        };
        let mut reader = Reader::new(&fixed[4..], is_big_endian);
        let (Some(body), Some(_serial), Some(fields)) = (reader.u32(), reader.u32(), reader.u32())
        else {
            return Err(odd());
        };
        let padded = u64::from(fields).next_multiple_of(8);
        if padded + u64::from(body) > u64::from(LARGEST_MESSAGE) {
            return Err(format!(
                "the system bus sent more than {LARGEST_MESSAGE} bytes at once"
            ));
        }
        // What comes is taken as it comes: a length is only a promise.
        let mut rest = Vec::new();
        let whole = padded + u64::from(body);
        let read = (&mut self.stream).take(whole).read_to_end(&mut rest).await;
        if (read.map_err(broken)? as u64) < whole {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        let bytes = rest.split_off(usize::try_from(padded).map_err(|_| odd())?);
        rest.truncate(fields as usize);
        let mut header = header(&rest, is_big_endian).ok_or_else(odd)?;
        header.kind = fixed[1];
        let answer = Answer {
            signature: header.signature.clone(),
            bytes,
            is_big_endian,
        };
        Ok((header, answer))
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).await.map_err(broken)
    }
}

fn broken(error: io::Error) -> String {
    format!("the connection to the system bus broke: {error}")
}

/// A call as it goes over the wire.
fn marshal(call: Call<'_>, serial: u32) -> Vec<u8> {
    let body = call.body.into_bytes();
    let mut message = Writer::default();
    for byte in [b'l', CALL, 0, 1] {
        message.u8(byte);
    }
    // Nothing that is asked here comes near 4 GB.
    message.u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    message.u32(serial);
    message.array(8, |fields| {
        let texts = [
            (PATH, "o", call.path),
            (INTERFACE, "s", call.interface),
            (MEMBER, "s", call.member),
            (DESTINATION, "s", call.destination),
        ];
        for (field, kind, text) in texts {
            fields.align(8);
            fields.u8(field);
            fields.signature(kind);
            fields.string(text);
        }
        if !call.signature.is_empty() {
            fields.align(8);
            fields.u8(SIGNATURE);
            fields.signature("g");
            fields.signature(call.signature);
        }
    });
    message.align(8);
    let mut bytes = message.into_bytes();
    bytes.extend(body);
    bytes
}

/// Reads the fields of a header.
fn header(bytes: &[u8], is_big_endian: bool) -> Option<Header> {
    let mut header = Header::default();
    let mut reader = Reader::new(bytes, is_big_endian);
    while !reader.is_at_end() {
        reader.align(8)?;
        let field = reader.u8()?;
        match (field, reader.signature()?) {
            (ERROR_NAME, "s") => header.error_name = reader.string()?.into(),
            (REPLY_SERIAL, "u") => header.reply_serial = Some(reader.u32()?),
            (SIGNATURE, "g") => header.signature = reader.signature()?.into(),
            (_, "s" | "o") => drop(reader.string()?),
            (_, "g") => drop(reader.signature()?),
            (_, "u") => drop(reader.u32()?),
            _ => return None,
        }
    }
    Some(header)
}
