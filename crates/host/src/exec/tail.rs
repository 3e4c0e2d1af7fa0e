//! The end of a long output.

use std::collections::VecDeque;

/// Keeps the last bytes of what is pushed into it.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    cap: usize,
    cut: u64,
}

impl Tail {
    pub(super) fn new(cap: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            cap,
            cut: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.cap)..];
        let too_many = (self.bytes.len() + kept.len()).saturating_sub(self.cap);
        self.bytes.drain(..too_many);
        self.bytes.extend(kept);
        self.cut += (too_many + bytes.len() - kept.len()) as u64;
    }

    /// The text, and how many bytes are missing before it. A character that was cut in two is left out whole.
    pub(super) fn into_text(mut self) -> (String, u64) {
        if self.cut > 0 {
            // A character has at most three bytes behind its first (RFC 3629).
            let rest = |byte: &&u8| **byte & 0xc0 == 0x80;
            let orphans = self.bytes.iter().take(3).take_while(rest).count();
            self.bytes.drain(..orphans);
            self.cut += orphans as u64;
        }
        let text = String::from_utf8_lossy(self.bytes.make_contiguous()).into_owned();
        (text, self.cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_character_is_not_cut_in_two() {
        let mut tail = Tail::new(4);
        tail.push("aaéé".as_bytes());
        tail.push("x".as_bytes());
        assert_eq!(tail.into_text(), ("éx".into(), 4));
    }

    proptest! {
        #[test]
        fn the_last_bytes_are_kept(pushes in prop::collection::vec("[a-z]{0,40}", 0..12), cap in 0..50_usize) {
            let mut tail = Tail::new(cap);
            for push in &pushes {
                tail.push(push.as_bytes());
            }
            let whole = pushes.concat();
            let kept = whole.len().min(cap);
            let (text, cut) = tail.into_text();
            prop_assert_eq!(text, &whole[whole.len() - kept..]);
            prop_assert_eq!(cut, (whole.len() - kept) as u64);
        }
    }
}
