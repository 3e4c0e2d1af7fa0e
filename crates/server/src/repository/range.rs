//! Which part of a file a request wants (RFC 9110, section 14): one range of bytes. What cannot be understood,
//! and lists of ranges, mean the whole file, as the standard allows.

/// What to send of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything.
    Whole,
    /// The bytes from `first` to `last`, both included.
    Bytes {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// The range begins behind the end of the file.
    Behind,
}

impl Part {
    /// Reads a `Range` header's value for a file of `length` bytes.
    pub(crate) fn of(range: Option<&str>, length: u64) -> Self {
        let Some(spec) = range.and_then(|text| text.trim().strip_prefix("bytes=")) else {
            return Self::Whole;
        };
        let Some((first, last)) = spec.trim().split_once('-') else {
            return Self::Whole;
        };
        match (number(first), number(last)) {
            // "-500": the last 500 bytes.
            (None, Some(count)) if first.is_empty() => match count.min(length) {
                0 => Self::Behind,
                count => Self::Bytes {
                    first: length - count,
                    last: length - 1,
                },
            },
            (Some(first), _) if first >= length => Self::Behind,
            (Some(first), None) if last.is_empty() => Self::Bytes {
                first,
                last: length - 1,
            },
            (Some(first), Some(last)) if first <= last => Self::Bytes {
                first,
                last: last.min(length - 1),
            },
            _ => Self::Whole,
        }
    }
}

/// Digits only: Rust's parser would also take a sign. More than 18 digits are behind the end of every file.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(first: u64, last: u64) -> Part {
        Part::Bytes { first, last }
    }

    #[test]
    fn ranges_of_the_standard() {
        for (text, part) in [
            ("bytes=0-499", bytes(0, 499)),
            ("bytes=500-999", bytes(500, 999)),
            ("bytes=9500-", bytes(9_500, 9_999)),
            ("bytes=-500", bytes(9_500, 9_999)),
            ("bytes=-99999", bytes(0, 9_999)),
            ("bytes=9999-20000", bytes(9_999, 9_999)),
            ("bytes=10000-", Part::Behind),
            ("bytes=99999999999999999999-", Part::Behind),
            ("bytes=-0", Part::Behind),
            ("bytes=0-0,-1", Part::Whole),
            ("bytes=9-5", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-5", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(Part::of(Some(text), 10_000), part, "{text}");
        }
        assert_eq!(Part::of(None, 10), Part::Whole);
        assert_eq!(Part::of(Some("bytes=0-"), 0), Part::Behind);
    }
}
