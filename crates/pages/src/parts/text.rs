//! Texts of others: made short, and without what would not be read but obeyed.

/// The beginning of a text: at most so many letters, and a sign that there were more.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text without what a terminal would obey, for whom copies it there. Ends of lines and tabulators stay.
#[must_use]
pub fn printable(text: &str) -> String {
    let plain = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' {
            '�'
        } else {
            c
        }
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_long_is_cut() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöü!", 3), "äöü…");
        assert_eq!(shortened("", 0), "");
        assert_eq!(shortened("a", 0), "…");
    }

    #[test]
    fn a_terminal_has_nothing_to_obey() {
        assert_eq!(printable("a\tb\n\u{1b}[31mred\r\u{7}"), "a\tb\n�[31mred��");
    }
}
