//! What must have been seen, with the time at which it was.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;

use tokio::time::Instant;

use crate::out;

/// The facts of the story so far.
pub(crate) struct Facts {
    began: Instant,
    chapter_began: Instant,
    rows: Vec<Row>,
}

struct Row {
    seen: bool,
    what: String,
    at: Duration,
    took: Duration,
}

impl Facts {
    /// Starts the watch.
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            chapter_began: now,
            rows: Vec::new(),
        }
    }

    /// Begins a part of the story.
    pub(crate) fn chapter(&mut self, title: impl Display) {
        self.chapter_began = Instant::now();
        out::line("");
        if is_terminal() {
            out::line(format_args!("\u{1b}[1m{title}\u{1b}[0m"));
        } else {
            out::line(title);
        }
    }

    /// Shows something that happened.
    pub(crate) fn note(&self, what: impl Display) {
        out::line(format_args!(
            "{:>6.1} s  {what}",
            self.began.elapsed().as_secs_f64()
        ));
    }

    /// Shows a text as it is: a file, a message, a plot.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.trim_end().lines() {
            out::line(format_args!("          {line}").to_string().trim_end());
        }
    }

    /// A fact was observed.
    pub(crate) fn saw(&mut self, what: impl Display) {
        self.check(true, what);
    }

    /// A fact was observed, or its contrary.
    pub(crate) fn check(&mut self, seen: bool, what: impl Display) {
        let what = what.to_string();
        self.note(format_args!("{} {what}", mark(seen)));
        let (at, took) = (self.began.elapsed(), self.chapter_began.elapsed());
        self.rows.push(Row {
            seen,
            what,
            at,
            took,
        });
    }

    /// True if there are facts, and every one was observed.
    pub(crate) fn all_seen(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.seen)
    }

    /// Prints the table.
    pub(crate) fn summary(&self) {
        out::line("");
        let rows = self.rows.iter().map(|row| {
            vec![
                mark(row.seen).to_owned(),
                row.what.clone(),
                format!("{:.1} s", row.at.as_secs_f64()),
                format!("{:.1} s", row.took.as_secs_f64()),
            ]
        });
        out::table(
            &["", "fact", "at", "into its part"],
            rows.collect(),
            "nothing was observed",
        );
        out::line("");
        let seen = self.rows.iter().filter(|row| row.seen).count();
        let total = self.began.elapsed().as_secs_f64();
        out::line(format_args!(
            "{seen} of {} facts observed in {total:.1} s",
            self.rows.len()
        ));
    }
}

/// True if a person looks at standard output.
fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// A word, not a colour alone, says how it stands.
fn mark(seen: bool) -> &'static str {
    match (seen, is_terminal()) {
        (true, true) => "\u{1b}[32myes\u{1b}[0m",
        (false, true) => "\u{1b}[31mNO\u{1b}[0m",
        (true, false) => "yes",
        (false, false) => "NO",
    }
}
