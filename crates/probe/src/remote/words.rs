//! Words of others, made fit to be shown.

use std::borrow::Cow;

/// A text of at most `most` bytes; a longer one ends with `…`.
pub(crate) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let end = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end]).into()
}

/// A text on one line: control characters, which could play with a terminal, become spaces.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let plain: String = cut(text, most)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abc…");
        assert_eq!(clean(" a\u{1b}[31m\r\n", 100), "a [31m");
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_allowed(text in "\\PC{0,40}", most in 3..60_usize) {
            prop_assert!(cut(&text, most).len() <= most);
        }
    }
}
