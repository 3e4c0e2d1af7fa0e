//! Downloads that can be taken up where they were broken off (RFC 9110 section 14).
//!
//! What arrives is not trusted: who downloads compares its hash with what was signed.

use bytes::Bytes;
use http::header::{CONTENT_RANGE, RANGE};
use http::{Method, StatusCode};

use super::answer::Answer;
use super::{CallError, HttpClient};

/// A file on its way.
pub struct Download {
    url: String,
    /// None when nothing is left to come.
    answer: Option<Answer>,
    total: Option<u64>,
    resumed: bool,
    /// How many bytes are still to come, where the server states it.
    left: Option<u64>,
    /// How many bytes may still come.
    room: u64,
    max: u64,
}

impl HttpClient {
    /// `GET` of a large file, from its byte `offset` on. The whole file may have at most `max_bytes`.
    ///
    /// The server may not be able to begin in the middle, or may have another file than before: look at
    /// [`Download::resumed`] before writing.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn download_from(
        &self,
        path: &str,
        offset: u64,
        max_bytes: u64,
    ) -> Result<Download, CallError> {
        if offset == 0 {
            return self.download_whole(path, max_bytes).await;
        }
        let (call, url) = self.call(Method::GET, path)?;
        let call = call.header(RANGE, format!("bytes={offset}-"));
        let answer = self.send_any(call, url).await?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => Download::rest(answer, offset, max_bytes),
            StatusCode::RANGE_NOT_SATISFIABLE if total_of(&answer) == Some(offset) => {
                Ok(Download::nothing_left(answer.url, offset, max_bytes))
            }
            // We have more than there is: it is another file now.
            StatusCode::RANGE_NOT_SATISFIABLE => self.download_whole(path, max_bytes).await,
            _ => {
                let url = answer.url.clone();
                let answer = self.in_time(&url, answer.success(&self.clock)).await?;
                Download::whole(answer, max_bytes)
            }
        }
    }

    async fn download_whole(&self, path: &str, max_bytes: u64) -> Result<Download, CallError> {
        let (call, url) = self.call(Method::GET, path)?;
        Download::whole(self.send(call, url).await?, max_bytes)
    }
}

impl Download {
    /// Length of the whole file, where the server states it.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// True if the first byte to come is the one at the offset that was asked for; false if the file begins anew.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// The next bytes; none at the end, which is only reported if as many bytes came as were promised.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        let Some(answer) = &mut self.answer else {
            return Ok(None);
        };
        let Some(chunk) = answer.chunk().await? else {
            self.answer = None;
            return match self.left {
                Some(left @ 1..) => Err(CallError::Unreachable {
                    url: self.url.clone(),
                    why: format!("the connection ended {left} bytes too early"),
                }),
                _ => Ok(None),
            };
        };
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.room = self
            .room
            .checked_sub(length)
            .ok_or_else(|| too_large(&self.url, self.max))?;
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(length)
                .ok_or_else(|| bad(&self.url, "more bytes than its head promised"))?;
        }
        Ok(Some(chunk))
    }

    fn whole(answer: Answer, max: u64) -> Result<Self, CallError> {
        let total = answer.length();
        if total.is_some_and(|total| total > max) {
            return Err(too_large(&answer.url, max));
        }
        Ok(Self {
            url: answer.url.clone(),
            answer: Some(answer),
            total,
            resumed: false,
            left: total,
            room: max,
            max,
        })
    }

    fn rest(answer: Answer, offset: u64, max: u64) -> Result<Self, CallError> {
        let url = answer.url.clone();
        let range = answer
            .header(CONTENT_RANGE)
            .and_then(ContentRange::parse)
            .ok_or_else(|| bad(&url, "a partial answer without a Content-Range"))?;
        let ContentRange::Part { first, last, total } = range else {
            return Err(bad(&url, "a partial answer without a part"));
        };
        if first != offset {
            return Err(bad(&url, "another part than the one asked for"));
        }
        // A server may give less than was asked for, but then the file would look complete too early.
        if total.is_some_and(|total| last + 1 != total) {
            return Err(bad(&url, "a part that ends before the file does"));
        }
        if last >= max {
            return Err(too_large(&url, max));
        }
        Ok(Self {
            url,
            answer: Some(answer),
            total,
            resumed: true,
            left: Some(last - first + 1),
            room: max - offset,
            max,
        })
    }

    fn nothing_left(url: String, total: u64, max: u64) -> Self {
        Self {
            url,
            answer: None,
            total: Some(total),
            resumed: true,
            left: Some(0),
            room: 0,
            max,
        }
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("url", &self.url)
            .field("total", &self.total)
            .field("resumed", &self.resumed)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

fn total_of(answer: &Answer) -> Option<u64> {
    match answer.header(CONTENT_RANGE).and_then(ContentRange::parse)? {
        ContentRange::Part { total, .. } => total,
        ContentRange::Unsatisfied { total } => Some(total),
    }
}

fn too_large(url: &str, max: u64) -> CallError {
    CallError::TooLarge {
        url: url.into(),
        max,
    }
}

fn bad(url: &str, why: &str) -> CallError {
    CallError::BadAnswer {
        url: url.into(),
        why: why.into(),
    }
}

/// The value of a `Content-Range` header (RFC 9110 section 14.4).
#[derive(Debug, PartialEq, Eq)]
enum ContentRange {
    /// `bytes 5-9/10` or `bytes 5-9/*`; the last byte's number is below `u64::MAX`.
    Part {
        first: u64,
        last: u64,
        total: Option<u64>,
    },
    /// `bytes */10`.
    Unsatisfied { total: u64 },
}

impl ContentRange {
    fn parse(value: &str) -> Option<Self> {
        let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        if range == "*" {
            return Some(Self::Unsatisfied { total: total? });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let sound = first <= last && last < u64::MAX && total.is_none_or(|total| last < total);
        sound.then_some(Self::Part { first, last, total })
    }
}

/// Digits only: the standard parser would take a sign as well.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        assert_eq!(
            ContentRange::parse("bytes 42-1233/1234"),
            Some(ContentRange::Part {
                first: 42,
                last: 1233,
                total: Some(1234)
            })
        );
        assert_eq!(
            ContentRange::parse("bytes 0-0/*"),
            Some(ContentRange::Part {
                first: 0,
                last: 0,
                total: None
            })
        );
        assert_eq!(
            ContentRange::parse("bytes */1234"),
            Some(ContentRange::Unsatisfied { total: 1234 })
        );
        for bad in [
            "",
            "bytes",
            "bytes */*",
            "items 0-1/2",
            "bytes 2-1/3",
            "bytes 0-3/3",
            "bytes -1/3",
            "bytes +0-1/3",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_range_is_sound(value in "(bytes )?[0-9*/ -]{0,30}") {
            if let Some(ContentRange::Part { first, last, total }) = ContentRange::parse(&value) {
                prop_assert!(first <= last && total.is_none_or(|total| last < total));
            }
        }
    }
}
