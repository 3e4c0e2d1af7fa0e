//! The part of a long output that is kept.

use super::Keep;
use super::tail::Tail;

/// Keeps the first or the last bytes of what is pushed into it.
#[derive(Debug)]
pub(super) enum Kept {
    Beginning {
        bytes: Vec<u8>,
        cap: usize,
        cut: u64,
    },
    End(Tail),
}

impl Kept {
    pub(super) fn new(keep: Keep, cap: usize) -> Self {
        match keep {
            Keep::End => Self::End(Tail::new(cap)),
            Keep::Beginning => Self::Beginning {
                bytes: Vec::new(),
                cap,
                cut: 0,
            },
        }
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        match self {
            Self::End(tail) => tail.push(more),
            Self::Beginning { bytes, cap, cut } => {
                let fits = more.len().min(cap.saturating_sub(bytes.len()));
                bytes.extend_from_slice(&more[..fits]);
                *cut += (more.len() - fits) as u64;
            }
        }
    }

    /// The text, and how many bytes are missing behind it or before it. A character that was cut in two is left out.
    pub(super) fn into_text(self) -> (String, u64) {
        let (mut bytes, mut cut) = match self {
            Self::End(tail) => return tail.into_text(),
            Self::Beginning { bytes, cut, .. } => (bytes, cut),
        };
        if cut > 0
            && let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
        {
            // Only the last character can be incomplete.
            cut += (bytes.len() - error.valid_up_to()) as u64;
            bytes.truncate(error.valid_up_to());
        }
        (String::from_utf8_lossy(&bytes).into_owned(), cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_beginning_does_not_end_within_a_character() {
        let mut kept = Kept::new(Keep::Beginning, 4);
        kept.push("aéé".as_bytes());
        assert_eq!(kept.into_text(), ("aé".into(), 2));
    }

    proptest! {
        #[test]
        fn the_first_bytes_are_kept(pushes in prop::collection::vec("[a-z]{0,40}", 0..12), cap in 0..50_usize) {
            let mut kept = Kept::new(Keep::Beginning, cap);
            for push in &pushes {
                kept.push(push.as_bytes());
            }
            let whole = pushes.concat();
            let length = whole.len().min(cap);
            prop_assert_eq!(kept.into_text(), (whole[..length].to_owned(), (whole.len() - length) as u64));
        }
    }
}
