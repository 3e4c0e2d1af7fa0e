//! The output of a plugin, taken apart.
//!
//! ```text
//! TEXT | FIGURES
//! LONG TEXT
//! LONG TEXT | FIGURES
//! FIGURES
//! ```

use crate::remote::{clean, cut};

/// What a plugin says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Output {
    /// The first line, without its figures.
    pub(super) text: String,
    /// The lines behind it.
    pub(super) long_text: String,
    /// All figures.
    pub(super) perfdata: String,
}

/// Longest further text that is kept, in bytes.
const LONGEST_TEXT: usize = 8 * 1024;

impl Output {
    pub(super) fn read(output: &str) -> Self {
        let mut lines = output.trim_end().lines();
        let first = lines.next().unwrap_or_default();
        let (text, figures) = first.split_once('|').unwrap_or((first, ""));
        let mut perfdata = figures.to_owned();
        let mut long_text = String::new();
        let mut is_text = true;
        for line in lines {
            let (text, figures) = match line.split_once('|') {
                Some((text, figures)) if is_text => {
                    is_text = false;
                    (text, figures)
                }
                _ if is_text => (line, ""),
                _ => ("", line),
            };
            if !text.trim().is_empty() && long_text.len() < LONGEST_TEXT {
                if !long_text.is_empty() {
                    long_text.push('\n');
                }
                long_text.push_str(&clean(text, LONGEST_TEXT));
            }
            perfdata.push(' ');
            perfdata.push_str(figures);
        }
        Self {
            text: text.trim().into(),
            long_text: cut(&long_text, LONGEST_TEXT).into_owned(),
            perfdata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_nagios_book_is_taken_apart() {
        let output = Output::read(
            "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n/ 15272 MB (77%);\n\
             /boot 68 MB (69%);\n/var/log 819 MB (84%); | /boot=68MB;88;93;0;98\n/home=69357MB;253404;253409;0;253414 \n",
        );
        assert_eq!(output.text, "DISK OK - free space: / 3326 MB (56%);");
        assert_eq!(
            output.long_text,
            "/ 15272 MB (77%);\n/boot 68 MB (69%);\n/var/log 819 MB (84%);"
        );
        let figures: Vec<_> = output.perfdata.split_whitespace().collect();
        assert_eq!(
            figures,
            [
                "/=2643MB;5948;5958;0;5968",
                "/boot=68MB;88;93;0;98",
                "/home=69357MB;253404;253409;0;253414",
            ]
        );
        assert_eq!(Output::read(""), Output::default());
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(output in "([a|\n'=;]|\\PC){0,80}") {
            let _ = Output::read(&output);
        }
    }
}
