//! The framing: one request line, one answer between `COMMAND NAME` and `COMMAND DONE`, then the end.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Longest request line, in bytes, of commands that carry no JSON.
pub const LONGEST_LINE: usize = 64 * 1024;
/// Longest request line of those that do: REPORT, EVENTS and UPGRADE.
pub const LONGEST_REPORT: usize = 8 * 1024 * 1024;
/// Longest answer that is made, and taken from others, in bytes.
pub const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// The commands whose lines may be long.
const LONG: [&[u8]; 3] = [b"REPORT ", b"EVENTS ", b"UPGRADE "];
/// Long lines that are read at once by one listener; others wait for their turn.
const LONG_AT_ONCE: usize = 8;
/// How long a request may take to arrive; a long line has three times as much.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long the peer may take to fetch its answer.
const FETCH: Duration = Duration::from_secs(60);
/// What still comes from a peer after its answer is thrown away for so long, and up to so many bytes: closing before
/// would make its system throw our answer away.
const DRAIN: Duration = Duration::from_secs(2);
const DRAIN_BYTES: u64 = 1024 * 1024;

const DONE: &str = "COMMAND DONE";

/// Why there is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is too long.
    #[error(
        "the request line is too long: {LONGEST_LINE} bytes, or {LONGEST_REPORT} of REPORT, EVENTS and UPGRADE, are the limit"
    )]
    TooLong,
    /// The peer stopped in the middle of a line.
    #[error("the request line has no end")]
    NoEnd,
    /// It took too long.
    #[error("the request did not arrive in time")]
    Late,
    /// The peer sent nothing at all, or the connection broke.
    #[error("nothing was asked")]
    Nothing,
}

/// The places for long lines of one listener.
#[derive(Debug)]
pub(super) struct Reader {
    long: Semaphore,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            long: Semaphore::new(LONG_AT_ONCE),
        }
    }

    /// Reads one line; it comes without its end, `\n` or `\r\n`. What is behind it is not looked at.
    pub(super) async fn line(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<Vec<u8>, Unread> {
        let mut line = Vec::new();
        let short = self.read(stream, &mut line, LONGEST_LINE);
        match timeout(ARRIVAL, short).await {
            Ok(Err(Unread::TooLong)) if LONG.iter().any(|word| line.starts_with(word)) => {}
            Ok(Ok(())) => return Ok(line),
            Ok(Err(unread)) => return Err(unread),
            Err(_) => return Err(Unread::Late),
        }
        let long = async {
            let place = self.long.acquire().await;
            let read = self.read(stream, &mut line, LONGEST_REPORT).await;
            drop(place);
            read
        };
        timeout(ARRIVAL * 2, long)
            .await
            .unwrap_or(Err(Unread::Late))?;
        Ok(line)
    }

    /// Goes on with a line until its end, or until it is longer than `most`.
    async fn read(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        line: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), Unread> {
        let mut piece = [0; 4096];
        loop {
            let count = stream.read(&mut piece).await.map_err(|_| Unread::Nothing)?;
            if count == 0 {
                return Err(if line.is_empty() {
                    Unread::Nothing
                } else {
                    Unread::NoEnd
                });
            }
            match piece[..count].iter().position(|&byte| byte == b'\n') {
                Some(end) => {
                    line.extend_from_slice(&piece[..end]);
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    return if line.len() > most {
                        Err(Unread::TooLong)
                    } else {
                        Ok(())
                    };
                }
                None => line.extend_from_slice(&piece[..count]),
            }
            if line.len() > most {
                return Err(Unread::TooLong);
            }
        }
    }
}

/// An answer as it goes over the wire. The body has whole lines; one that looks like the end of the frame is not let
/// through.
#[must_use]
pub fn frame(name: &str, body: &str) -> String {
    let mut text = format!("COMMAND {name}\n");
    for line in body.lines().filter(|line| *line != DONE) {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(DONE);
    text.push('\n');
    text
}

/// What is between the two lines of a frame; none if it is not one.
#[must_use]
pub fn unframe(text: &str) -> Option<&str> {
    let behind = text.strip_prefix("COMMAND ")?;
    let (_, body) = behind.split_once('\n')?;
    let mut begin = 0;
    for line in body.split_inclusive('\n') {
        if line.trim_end_matches(['\r', '\n']) == DONE {
            return body.get(..begin);
        }
        begin += line.len();
    }
    None
}

/// Writes an answer and closes the connection so that the peer gets all of it.
pub(super) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, text: &str) {
    let write = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    };
    // A peer that went away, or does not read, is nobody's loss.
    if !matches!(timeout(FETCH, write).await, Ok(Ok(()))) {
        return;
    }
    let mut rest = stream.take(DRAIN_BYTES);
    let _ = timeout(DRAIN, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

/// Passes a request line on to somebody else's port and gives the body of the answer.
///
/// # Errors
/// In words, for one who asked for it.
pub(super) async fn ask(
    host: &str,
    port: u16,
    line: &str,
    patience: Duration,
) -> Result<String, String> {
    let exchange = async {
        let addresses = lookup_host((host, port)).await?;
        let mut last = std::io::Error::other("it has no address");
        for address in addresses.take(4) {
            match TcpStream::connect(address).await {
                Ok(stream) => return say(stream, line).await,
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    let text = match timeout(patience, exchange).await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(format!("{host}:{port} does not answer: {error}")),
        Err(_) => {
            return Err(format!(
                "{host}:{port} does not answer within {} s",
                patience.as_secs()
            ));
        }
    };
    let body = unframe(&text).map(String::from);
    body.ok_or_else(|| format!("{host}:{port} does not answer as dmon does"))
}

async fn say(mut stream: TcpStream, line: &str) -> std::io::Result<String> {
    stream.write_all(line.as_bytes()).await?;
    stream.write_all(b"\n").await?;
    let mut text = Vec::new();
    let most = LONGEST_ANSWER as u64 + 1;
    (&mut stream).take(most).read_to_end(&mut text).await?;
    if text.len() > LONGEST_ANSWER {
        return Err(std::io::Error::other("its answer is too long"));
    }
    String::from_utf8(text).map_err(|_| std::io::Error::other("its answer is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_two_lines_around_its_body() {
        assert_eq!(
            frame("PING", "PONG from Server"),
            "COMMAND PING\nPONG from Server\nCOMMAND DONE\n"
        );
        assert_eq!(frame("ZAP", ""), "COMMAND ZAP\nCOMMAND DONE\n");
        // Nothing that a host says ends the answer early.
        assert_eq!(
            frame("X", "a\nCOMMAND DONE\nb\n"),
            "COMMAND X\na\nb\nCOMMAND DONE\n"
        );
    }

    #[test]
    fn a_frame_is_taken_off_again() {
        for body in ["", "one\n", "one\ntwo\n"] {
            assert_eq!(unframe(&frame("STATE", body)), Some(body));
        }
        assert_eq!(
            unframe("COMMAND PING\r\nPONG\r\nCOMMAND DONE\r\n"),
            Some("PONG\r\n")
        );
        for bad in ["", "PONG\n", "COMMAND PING\nPONG\n", "COMMAND PING"] {
            assert_eq!(unframe(bad), None, "{bad:?}");
        }
    }

    async fn read(bytes: Vec<u8>) -> Result<Vec<u8>, Unread> {
        Reader::new().line(&mut &bytes[..]).await
    }

    #[tokio::test]
    async fn a_line_ends_and_is_not_too_long() {
        assert_eq!(read(b"PING\nmore".to_vec()).await, Ok(b"PING".to_vec()));
        assert_eq!(read(b"PING\r\n".to_vec()).await, Ok(b"PING".to_vec()));
        assert_eq!(read(b"\n".to_vec()).await, Ok(Vec::new()));
        assert_eq!(read(b"UPGRADE web1".to_vec()).await, Err(Unread::NoEnd));
        assert_eq!(read(Vec::new()).await, Err(Unread::Nothing));
        let long =
            |word: &str, length: usize| [word.as_bytes(), &vec![b'x'; length], b"\n"].concat();
        assert!(read(long("HIST ", LONGEST_LINE - 5)).await.is_ok());
        assert_eq!(
            read(long("HIST ", LONGEST_LINE)).await,
            Err(Unread::TooLong)
        );
        assert!(read(long("REPORT ", LONGEST_REPORT - 7)).await.is_ok());
        assert_eq!(
            read(long("REPORT ", LONGEST_REPORT)).await,
            Err(Unread::TooLong)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_comes_byte_by_byte_is_given_up() {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        let dripping = tokio::spawn(async move {
            while theirs.write_all(b"P").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let began = tokio::time::Instant::now();
        assert_eq!(Reader::new().line(&mut ours).await, Err(Unread::Late));
        assert!(began.elapsed() <= ARRIVAL + Duration::from_secs(1));
        drop(ours);
        dripping.await.unwrap();
    }
}
