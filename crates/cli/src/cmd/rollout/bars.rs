//! Waves as bars: each host's state by a sign and, on a terminal, by a colour.

use console::{Color, Style};
use lockstep_model::api::operator::WaveFigures;

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// Signs and colours.
    Colour,
    /// Signs alone.
    Plain,
}

/// How hosts stand, in the order in which they stand in a bar, with sign and colour.
const STATES: [State; 9] = [
    State::new("proven", '█', Color::Green, |it| it.proven),
    State::new("running", '▓', Color::Cyan, |it| it.running),
    State::new("told", '░', Color::Blue, |it| it.ordered),
    State::new("failed", 'x', Color::Red, |it| it.failed),
    State::new("silent", '?', Color::Yellow, |it| it.silent),
    State::new("kept", '=', Color::Magenta, |it| it.kept),
    State::new("out", '/', Color::Magenta, |it| it.skipped),
    State::new("waits", '·', Color::White, |it| it.waiting),
    State::new("gone", '-', Color::White, |it| it.gone),
];

struct State {
    word: &'static str,
    sign: char,
    colour: Color,
    count: fn(&WaveFigures) -> usize,
}

impl State {
    const fn new(
        word: &'static str,
        sign: char,
        colour: Color,
        count: fn(&WaveFigures) -> usize,
    ) -> Self {
        Self {
            word,
            sign,
            colour,
            count,
        }
    }
}

impl Paint {
    pub(super) fn style(self, colour: Color) -> Style {
        Style::new().fg(colour).force_styling(self == Self::Colour)
    }

    pub(super) fn bold(self) -> Style {
        Style::new().bold().force_styling(self == Self::Colour)
    }

    pub(super) fn dim(self) -> Style {
        Style::new().dim().force_styling(self == Self::Colour)
    }
}

/// A bar of so many cells. Every state that a host is in has a cell at least: one host of ten thousand that failed is
/// seen. So a bar can become as wide as there are states.
pub(super) fn bar(figures: &WaveFigures, cells: usize, paint: Paint) -> String {
    let counts = STATES.map(|state| (state.count)(figures));
    let shares = shares(&counts, cells);
    let mut bar = String::new();
    for (state, cells) in STATES.iter().zip(shares) {
        if cells > 0 {
            let signs: String = std::iter::repeat_n(state.sign, cells).collect();
            bar.push_str(&paint.style(state.colour).apply_to(signs).to_string());
        }
    }
    bar
}

/// How many cells a bar takes.
pub(super) fn width(figures: &WaveFigures, cells: usize) -> usize {
    shares(&STATES.map(|state| (state.count)(figures)), cells)
        .iter()
        .sum()
}

/// How many cells each wave's bar has, by its hosts: the largest has them all.
pub(super) fn cells(hosts: usize, largest: usize, most: usize) -> usize {
    (hosts * most)
        .div_ceil(largest.max(1))
        .clamp(1, most.max(1))
}

/// What the signs stand for.
pub(super) fn legend(paint: Paint) -> String {
    STATES
        .iter()
        .map(|state| {
            format!(
                "{} {}",
                paint.style(state.colour).apply_to(state.sign),
                state.word
            )
        })
        .collect::<Vec<_>>()
        .join("  ")
}

/// The figures in words, without those that are nought; `waits` and `proven` stand elsewhere.
pub(super) fn words(figures: &WaveFigures) -> String {
    let mut words: Vec<String> = STATES
        .iter()
        .filter(|state| !matches!(state.word, "proven" | "waits"))
        .map(|state| ((state.count)(figures), state.word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if figures.worse > 0 {
        words.push(format!("{} worse than before", figures.worse));
    }
    words.join(", ")
}

/// All waves together.
pub(super) fn sum<'a>(waves: impl Iterator<Item = &'a WaveFigures>) -> WaveFigures {
    waves.fold(WaveFigures::default(), |sum, it| WaveFigures {
        hosts: sum.hosts + it.hosts,
        let_go: sum.let_go + it.let_go,
        waiting: sum.waiting + it.waiting,
        ordered: sum.ordered + it.ordered,
        running: sum.running + it.running,
        proven: sum.proven + it.proven,
        failed: sum.failed + it.failed,
        silent: sum.silent + it.silent,
        kept: sum.kept + it.kept,
        skipped: sum.skipped + it.skipped,
        gone: sum.gone + it.gone,
        worse: sum.worse + it.worse,
    })
}

/// Shares cells out by counts: one for each that is not nought, the rest in proportion, what is left over to those
/// that lost most by rounding.
fn shares<const N: usize>(counts: &[usize; N], cells: usize) -> [usize; N] {
    let all: usize = counts.iter().sum();
    let mut shares = counts.map(|count| usize::from(count > 0));
    let spare = cells.saturating_sub(shares.iter().sum());
    if all == 0 || spare == 0 {
        return shares;
    }
    // In proportion to all hosts, less the cell that each has already.
    let wanted = counts.map(|count| (count * cells).saturating_sub(all * usize::from(count > 0)));
    let total: usize = wanted.iter().sum::<usize>().max(1);
    let mut left = spare;
    let mut rest: Vec<(usize, usize)> = Vec::with_capacity(N);
    for (index, wanted) in wanted.iter().enumerate() {
        let part = wanted * spare;
        shares[index] += part / total;
        left -= part / total;
        rest.push((part % total, index));
    }
    rest.sort_by(|a, b| b.cmp(a));
    let takers = rest.iter().filter(|(_, index)| counts[*index] > 0).cycle();
    for (_, index) in takers.take(left) {
        shares[*index] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(proven: usize, running: usize, failed: usize, waiting: usize) -> WaveFigures {
        WaveFigures {
            hosts: proven + running + failed + waiting,
            proven,
            running,
            failed,
            waiting,
            ..WaveFigures::default()
        }
    }

    #[test]
    fn a_bar_shows_hosts_in_proportion_and_nobody_is_lost() {
        let plain = |figures: WaveFigures, cells| bar(&figures, cells, Paint::Plain);
        assert_eq!(plain(figures(5, 0, 0, 5), 10), "█████·····");
        assert_eq!(plain(figures(3, 1, 1, 5), 10), "███▓x·····");
        assert_eq!(plain(figures(9_999, 0, 1, 0), 10), "█████████x");
        assert_eq!(plain(figures(1, 1, 1, 1), 2), "█▓x·");
        assert_eq!(plain(figures(0, 0, 0, 0), 10), "");
        assert_eq!(plain(figures(1, 0, 0, 0), 1), "█");
    }

    #[test]
    fn bars_are_as_wide_as_they_say() {
        for proven in 0..7 {
            for waiting in 0..7 {
                for failed in 0..3 {
                    for cells in 3..30 {
                        let figures = figures(proven, 0, failed, waiting);
                        let drawn = bar(&figures, cells, Paint::Plain).chars().count();
                        assert_eq!(drawn, width(&figures, cells));
                        let expected = if figures.hosts == 0 { 0 } else { cells };
                        assert_eq!(drawn, expected, "{figures:?} in {cells}");
                    }
                }
            }
        }
    }

    #[test]
    fn colours_are_written_where_they_are_wanted() {
        let figures = figures(1, 0, 0, 0);
        assert_eq!(bar(&figures, 1, Paint::Plain), "█");
        assert_eq!(bar(&figures, 1, Paint::Colour), "\u{1b}[32m█\u{1b}[0m");
    }

    #[test]
    fn waves_are_as_wide_as_they_have_hosts() {
        assert_eq!(cells(1, 5_000, 40), 1);
        assert_eq!(cells(2_500, 5_000, 40), 20);
        assert_eq!(cells(5_000, 5_000, 40), 40);
        assert_eq!(cells(0, 0, 40), 1);
    }

    #[test]
    fn figures_are_told_in_words() {
        assert_eq!(words(&figures(3, 2, 1, 4)), "2 running, 1 failed");
        assert_eq!(words(&figures(3, 0, 0, 4)), "");
    }
}
