//! A bus for tests, which answers as it is told.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::wire::{Reader, Writer};
use super::{ANSWER, ERROR, ERROR_NAME, INTERFACE, MEMBER, REPLY_SERIAL, SIGNATURE, SOCKET};

/// How the bus answers a call.
pub(in crate::system) enum Reply {
    /// With arguments of these types.
    Body(&'static str, Writer),
    /// With an error.
    Error(&'static str, &'static str),
    /// With these bytes, whatever they mean.
    Raw(Vec<u8>),
    /// Not at all.
    Silence,
}

/// Stops the bus when it is dropped.
pub(in crate::system) struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves the machine below a root. Calls are named with their interface.
pub(in crate::system) fn serve(
    root: &Path,
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> Serving {
    let path = root.join(SOCKET);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(path).unwrap();
    let reply = Arc::new(reply);
    Serving(tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let reply = Arc::clone(&reply);
            // A client that goes away ends it.
            tokio::spawn(async move { converse(stream, &*reply).await });
        }
    }))
}

async fn converse(mut stream: UnixStream, reply: &(dyn Fn(&str) -> Reply + Sync)) -> Option<()> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
    expect(&mut stream, &format!("\0AUTH EXTERNAL {hex}\r\n")).await?;
    stream.write_all(b"OK 0123456789abcdef\r\n").await.ok()?;
    expect(&mut stream, "BEGIN\r\n").await?;
    loop {
        let mut fixed = [0; 16];
        stream.read_exact(&mut fixed).await.ok()?;
        let mut reader = Reader::new(&fixed[4..], false);
        let (body, serial, fields) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let length = fields.next_multiple_of(8) + body;
        let mut rest = vec![0; length as usize];
        stream.read_exact(&mut rest).await.ok()?;
        let name = name(&rest[..fields as usize])?;
        let answer = if name == "org.freedesktop.DBus.Hello" {
            let mut body = Writer::default();
            body.string(":1.5");
            // The bus tells everybody its name by a signal as well, and may do so before it answers.
            stream
                .write_all(&message(4, 0, None, "s", body.clone()))
                .await
                .ok()?;
            Reply::Body("s", body)
        } else {
            reply(&name)
        };
        let bytes = match answer {
            Reply::Body(signature, body) => message(ANSWER, serial, None, signature, body),
            Reply::Error(error, text) => {
                let mut body = Writer::default();
                body.string(text);
                message(ERROR, serial, Some(error), "s", body)
            }
            Reply::Raw(bytes) => bytes,
            Reply::Silence => Vec::new(),
        };
        stream.write_all(&bytes).await.ok()?;
    }
}

async fn expect(stream: &mut UnixStream, text: &str) -> Option<()> {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).await.ok()?;
    assert_eq!(String::from_utf8_lossy(&bytes), text);
    Some(())
}

fn name(fields: &[u8]) -> Option<String> {
    let mut reader = Reader::new(fields, false);
    let (mut interface, mut member) = (String::new(), String::new());
    while !reader.is_at_end() {
        reader.align(8)?;
        let field = reader.u8()?;
        match (field, reader.signature()?) {
            (INTERFACE, _) => interface = reader.string()?.into(),
            (MEMBER, _) => member = reader.string()?.into(),
            (_, "g") => drop(reader.signature()?),
            _ => drop(reader.string()?),
        }
    }
    Some(format!("{interface}.{member}"))
}

/// A message as a bus sends it.
pub(super) fn message(
    kind: u8,
    serial: u32,
    error: Option<&str>,
    signature: &str,
    body: Writer,
) -> Vec<u8> {
    let body = body.into_bytes();
    let mut message = Writer::default();
    for byte in [b'l', kind, 1, 1] {
        message.u8(byte);
    }
    message.u32(u32::try_from(body.len()).unwrap());
    message.u32(9);
    message.array(8, |fields| {
        fields.u8(REPLY_SERIAL);
        fields.signature("u");
        fields.u32(serial);
        if let Some(error) = error {
            fields.align(8);
            fields.u8(ERROR_NAME);
            fields.signature("s");
            fields.string(error);
        }
        fields.align(8);
        fields.u8(SIGNATURE);
        fields.signature("g");
        fields.signature(signature);
    });
    message.align(8);
    let mut bytes = message.into_bytes();
    bytes.extend(body);
    bytes
}
