//! What a bench shows: a line while it runs, and a summary.

use std::time::Duration;

use lockstep_sim::bench::{Live, News, Spread, Summary, Times, VersionCount};

use crate::out;

/// The line that is written anew each second, where somebody looks at it.
pub(super) struct Line {
    terminal: console::Term,
    shown: bool,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            terminal: console::Term::stderr(),
            shown: false,
        }
    }

    pub(super) fn show(&mut self, news: &News) {
        if !self.terminal.is_term() {
            return;
        }
        let width = usize::from(self.terminal.size().1).saturating_sub(1);
        let line: String = words(news).chars().take(width).collect();
        // A terminal that is gone does not end the bench.
        let _ = self.terminal.clear_line();
        let _ = self.terminal.write_str(&line);
        self.shown = true;
    }

    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = self.terminal.clear_line();
        }
    }
}

fn words(news: &News) -> String {
    match news {
        News::Enrolled { enrolled, of } => format!("enrolled {enrolled} of {of}"),
        News::Live(live) => live_words(live),
    }
}

fn live_words(live: &Live) -> String {
    let took = |it: Option<Duration>| it.map_or("-".into(), |it| ms(it.as_secs_f64() * 1000.0));
    let mut words = format!(
        "{:>4} s  {} of {} connected  {:.0} reports/s  p50 {} p99 {}  {} errors",
        live.elapsed.as_secs(),
        live.connected,
        live.agents,
        live.reports_per_second,
        took(live.p50),
        took(live.p99),
        live.errors,
    );
    if live.silent > 0 {
        words += &format!("  {} silent", live.silent);
    }
    for version in &live.versions {
        words += &format!("  {}", version_words(version));
    }
    words
}

fn version_words(it: &VersionCount) -> String {
    format!("{} {}: {}", it.package, it.version, it.agents)
}

/// Prints everything that was counted.
pub(super) fn summary(summary: &Summary) {
    let it = summary;
    out::line(format_args!(
        "{} of {} agents connected, {} silent, after {:.0} s; {} connections were lost",
        it.connected, it.agents, it.silent, it.seconds, it.connections_lost
    ));
    out::line(format_args!(
        "{} reports ({:.1}/s), {} events, {} records of runs, {} bundles looked at ({} bytes)",
        it.reports, it.reports_per_second, it.events, it.records, it.bundles, it.bundle_bytes
    ));
    times("report to answer", &it.report_to_answer);
    times("hint to answer", &it.hint_to_answer);
    if let (Some(all), Some(each)) = (it.memory_bytes, it.memory_bytes_per_agent) {
        out::line(format_args!(
            "memory of this process: {:.0} MB, {:.1} kB for each agent",
            all as f64 / 1e6,
            each as f64 / 1e3
        ));
    }
    out::line(connects(&it.connects_per_second));
    for (kind, count) in &it.errors {
        out::line(format_args!("error: {kind}: {count}"));
    }
    for version in &it.versions {
        out::line(format_args!("runs {} agents", version_words(version)));
    }
    for spread in &it.spreads {
        out::line(way(spread));
    }
}

fn times(what: &str, times: &Times) {
    if times.count > 0 {
        out::line(format_args!(
            "{what}: p50 {}, p90 {}, p99 {}, longest {}",
            ms(times.p50_ms),
            ms(times.p90_ms),
            ms(times.p99_ms),
            ms(times.max_ms)
        ));
    }
}

fn ms(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

/// How the connections came: the stretches of seconds in which there were any.
fn connects(per_second: &[u32]) -> String {
    let mut stretches: Vec<(usize, Vec<u32>)> = Vec::new();
    for (second, count) in per_second.iter().enumerate() {
        if *count == 0 {
            continue;
        }
        match stretches.last_mut() {
            Some((begin, counts)) if *begin + counts.len() == second => counts.push(*count),
            _ => stretches.push((second, vec![*count])),
        }
    }
    let told = stretches
        .iter()
        .take(MOST_STRETCHES)
        .map(|(begin, counts)| {
            let all: u32 = counts.iter().sum();
            let most = counts.iter().max().copied().unwrap_or(0);
            format!(
                "{all} from second {begin} on in {} s (most in one second: {most})",
                counts.len()
            )
        });
    let told: Vec<String> = told.collect();
    let more = stretches.len().saturating_sub(MOST_STRETCHES);
    match more {
        0 => format!("connected: {}", told.join("; ")),
        more => format!("connected: {}; and {more} times more", told.join("; ")),
    }
}

/// Stretches of connecting that are told.
const MOST_STRETCHES: usize = 8;

fn way(spread: &Spread) -> String {
    let outcomes: Vec<String> = spread
        .outcomes
        .iter()
        .map(|(outcome, count)| format!("{count} {outcome}"))
        .collect();
    let at = |it: Option<f64>| it.map_or("-".into(), |s| format!("{s:.1} s"));
    format!(
        "{} {} ({}): first {}, half {}, 90 % {}, 99 % {}, last {} after the first run began",
        spread.package,
        spread.version,
        outcomes.join(", "),
        at(spread.first_s),
        at(spread.half_s),
        at(spread.most_s),
        at(spread.nearly_all_s),
        at(spread.last_s),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_are_told_by_their_stretches() {
        assert_eq!(
            connects(&[5, 7, 0, 0, 3, 0]),
            "connected: 12 from second 0 on in 2 s (most in one second: 7); \
             3 from second 4 on in 1 s (most in one second: 3)"
        );
        let many: Vec<u32> = (0..40).map(|n| n % 2).collect();
        assert!(connects(&many).ends_with("and 12 times more"));
    }

    #[test]
    fn times_have_the_digits_that_matter() {
        assert_eq!(ms(1.26), "1.3 ms");
        assert_eq!(ms(126.4), "126 ms");
        assert_eq!(ms(12_640.0), "12.6 s");
    }
}
