//! Server-sent events (the HTML standard, section 9.2): a stream that only ever says "look again".
//!
//! Identities and reconnection times are ignored: whoever loses a stream opens a new one and fetches the truth.

use std::collections::VecDeque;
use std::fmt;

use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::answer::Answer;
use super::{CallError, HttpClient};

/// Longest line, and longest event, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// Events as they come. Lines that begin with `:` are signs of life; a server sends one more often than
/// [`Timeouts::stall`](super::Timeouts::stall), or the stream counts as lost.
pub struct EventStream {
    answer: Answer,
    decoder: Decoder,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` when the server gave it none.
    pub name: String,
    /// Its data.
    pub data: String,
}

impl HttpClient {
    /// `GET` of a stream of events.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn events(&self, path: &str) -> Result<EventStream, CallError> {
        let (call, url) = self.call(Method::GET, path)?;
        let call = call.header(ACCEPT, "text/event-stream");
        let answer = self.send(call, url).await?;
        let media = answer.header(CONTENT_TYPE).unwrap_or_default();
        if !media.starts_with("text/event-stream") {
            return Err(CallError::BadAnswer {
                why: format!("it is {media:?}, not a stream of events"),
                url: answer.url,
            });
        }
        Ok(EventStream {
            answer: answer.unhurried(),
            decoder: Decoder::default(),
        })
    }
}

impl EventStream {
    /// The next event; none when the server ended the stream.
    ///
    /// # Errors
    /// When the stream is lost, or a line or an event is longer than 64 KiB. See [`CallError`].
    pub async fn next(&mut self) -> Result<Option<Event>, CallError> {
        loop {
            if let Some(event) = self.decoder.take() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.answer.chunk().await? else {
                return Ok(None);
            };
            self.decoder
                .push(&chunk)
                .map_err(|TooLong| CallError::BadAnswer {
                    url: self.answer.url.clone(),
                    why: format!("an event is longer than {LONGEST} bytes"),
                })?;
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("url", &self.answer.url)
            .finish_non_exhaustive()
    }
}

/// A line or an event exceeds [`LONGEST`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Bytes in, events out, wherever the bytes are divided.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    /// The last byte ended a line and was a carriage return: a line feed behind it belongs to it.
    after_return: bool,
    /// A line has ended: a byte order mark can no longer come.
    begun: bool,
    name: String,
    data: Option<String>,
    events: VecDeque<Event>,
}

impl Decoder {
    /// The next whole event.
    pub(super) fn take(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if after_return => {}
                b'\n' => self.end_line()?,
                b'\r' => {
                    self.after_return = true;
                    self.end_line()?;
                }
                _ if self.line.len() >= LONGEST => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), TooLong> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = match std::mem::replace(&mut self.begun, true) {
            true => &*line,
            false => line.strip_prefix('\u{feff}').unwrap_or(&line),
        };
        if line.is_empty() {
            self.end_event();
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.into(),
            "data" => match &mut self.data {
                None => self.data = Some(value.into()),
                Some(data) if data.len() + value.len() >= LONGEST => return Err(TooLong),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            // A comment (nothing before the colon), or a field that we do not use.
            _ => {}
        }
        Ok(())
    }

    /// The standard drops an event without data.
    fn end_event(&mut self) {
        let name = std::mem::take(&mut self.name);
        if let Some(data) = self.data.take() {
            let name = if name.is_empty() {
                "message".into()
            } else {
                name
            };
            self.events.push_back(Event { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Vec<Event> {
        let mut decoder = Decoder::default();
        decoder.push(bytes).unwrap();
        decoder.events.into()
    }

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.into(),
            data: data.into(),
        }
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let text = "\u{feff}: hello\n\ndata: YHOO\ndata: +2\ndata: 10\n\nevent: add\nid: 1\ndata:73\n\ndata\n\n\
                    data\ndata\n\nevent: lost\n\ndata:  two spaces\n\ndata: never ended\n";
        assert_eq!(
            decode(text.as_bytes()),
            [
                event("message", "YHOO\n+2\n10"),
                event("add", "73"),
                event("message", ""),
                event("message", "\n"),
                event("message", " two spaces"),
            ]
        );
    }

    #[test]
    fn lines_end_in_three_ways() {
        let expected = [event("a", "1\n2"), event("message", "3")];
        for end in ["\n", "\r", "\r\n"] {
            let text = "event: a|data: 1|data: 2||data: 3||".replace('|', end);
            assert_eq!(decode(text.as_bytes()), expected, "{end:?}");
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        assert_eq!(
            Decoder::default().push(&vec![b'x'; LONGEST + 1]),
            Err(TooLong)
        );
        let line = format!("data: {}\n", "x".repeat(1000));
        assert_eq!(
            Decoder::default().push(line.repeat(70).as_bytes()),
            Err(TooLong)
        );
        let line = format!(": {}\n", "x".repeat(1000));
        assert_eq!(
            Decoder::default().push(line.repeat(1000).as_bytes()),
            Ok(())
        );
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_bytes_are_divided(
            text in "((data|event|id|:)?(: ?)?[a-zä]{0,5}(\r|\n|\r\n)){0,20}",
            cuts in proptest::collection::vec(0_usize..200, 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut decoder = Decoder::default();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                decoder.push(&bytes[from..cut]).unwrap();
                from = cut;
            }
            prop_assert_eq!(Vec::from(decoder.events), decode(bytes));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            decode(&bytes);
        }
    }
}
