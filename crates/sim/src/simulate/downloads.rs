//! The server's downloads: so many at once, over one line, and over a line to each site.
//!
//! A line carries what was asked for one after the other, at its full rate: the time at which the last of several is
//! through is the same as if all shared it. Whoever is sent away asks again after five to ten seconds, as the server
//! says. Of many who do that, a free place is taken by any of them, after a time that is distributed exponentially: so
//! it is drawn, and nobody's question is simulated that leads to nothing.

use std::collections::HashMap;

use lockstep_plan::throttle::Downloads;

use super::curve::{Curve, Peak};
use super::settings::Settings;

/// The mean time between two questions of one who is sent away, in nanoseconds: `spread_retry` of the server's least.
const BETWEEN: f64 = 1.5 * Downloads::RETRY_AFTER.as_nanos() as f64;

const SECOND: u64 = 1_000_000_000;

/// Downloads under way, and who waits for a place. Times are nanoseconds since the beginning.
#[derive(Debug)]
pub(super) struct Server {
    most: usize,
    bytes: f64,
    uplink: f64,
    site_rate: Option<f64>,
    active: usize,
    waiting: Vec<u32>,
    /// Until when the lines are busy.
    line: u64,
    sites: HashMap<u32, u64>,
    /// True while somebody is about to ask for a free place.
    asked: bool,
    since: u64,
    seconds: Peak,
    load: Load,
}

/// What the server had to bear.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Most downloads at once.
    pub downloads: usize,
    /// Most bytes within a second.
    pub bytes: f64,
    /// Downloads that were refused because all places were taken.
    pub refused: f64,
    /// Most of them within a second.
    pub refused_peak: f64,
    /// Bytes sent, over time.
    pub sent: Curve,
    /// Most hosts that waited for a place.
    pub waited: usize,
}

impl Server {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            most: settings.downloads.max(1) as usize,
            bytes: settings.bytes as f64,
            uplink: settings.uplink.max(1.0),
            site_rate: settings.site_rate,
            active: 0,
            waiting: Vec::new(),
            line: 0,
            sites: HashMap::new(),
            asked: false,
            since: 0,
            seconds: Peak::default(),
            load: Load {
                downloads: 0,
                bytes: 0.0,
                refused: 0.0,
                refused_peak: 0.0,
                sent: Curve::sum(),
                waited: 0,
            },
        }
    }

    /// A host asks for the first time: when it is through, or none if it is sent away.
    pub(super) fn ask(&mut self, host: u32, site: u32, now: u64) -> Option<u64> {
        self.count_refused(now);
        if self.active < self.most {
            return Some(self.begin(site, now));
        }
        self.waiting.push(host);
        self.load.refused += 1.0;
        self.load.waited = self.load.waited.max(self.waiting.len());
        None
    }

    /// A download is through. Its place is free.
    pub(super) fn finish(&mut self, now: u64) {
        self.count_refused(now);
        self.active = self.active.saturating_sub(1);
    }

    /// When somebody will ask for a free place, if one is and nobody is about to. `unit` is a draw above 0.
    pub(super) fn next_question(&mut self, now: u64, unit: f64) -> Option<u64> {
        if self.asked || self.waiting.is_empty() || self.active >= self.most {
            return None;
        }
        self.asked = true;
        let mean = BETWEEN / self.waiting.len() as f64;
        Some(now + (-mean * unit.ln()) as u64)
    }

    /// Somebody asks for a free place: who, and when they are through. `draw` says who of those that wait.
    pub(super) fn question(
        &mut self,
        now: u64,
        draw: usize,
        site_of: impl Fn(u32) -> u32,
    ) -> Option<(u32, u64)> {
        self.asked = false;
        self.count_refused(now);
        if self.active >= self.most || self.waiting.is_empty() {
            return None;
        }
        let host = self.waiting.swap_remove(draw % self.waiting.len());
        let site = site_of(host);
        Some((host, self.begin(site, now)))
    }

    fn begin(&mut self, site: u32, now: u64) -> u64 {
        self.active += 1;
        self.load.downloads = self.load.downloads.max(self.active);
        let begin = self.line.max(now);
        self.line = begin + (self.bytes / self.uplink * 1e9) as u64;
        self.load.sent.add_evenly(begin, self.line, self.bytes);
        self.count_seconds(begin, self.line);
        let Some(rate) = self.site_rate else {
            return self.line;
        };
        let site = self.sites.entry(site).or_default();
        *site = (*site).max(now) + (self.bytes / rate.max(1.0) * 1e9) as u64;
        self.line.max(*site)
    }

    /// What goes over the line in each second. What is sent later comes later on the line.
    fn count_seconds(&mut self, from: u64, to: u64) {
        let mut begin = from;
        while begin < to {
            let end = ((begin / SECOND + 1) * SECOND).min(to);
            self.seconds
                .add(begin, (end - begin) as f64 / SECOND as f64 * self.uplink);
            begin = end;
        }
    }

    /// Those who wait have asked in vain since the last time.
    fn count_refused(&mut self, now: u64) {
        let time = now.saturating_sub(self.since);
        self.since = now;
        if time == 0 || self.waiting.is_empty() || self.active < self.most {
            return;
        }
        let rate = self.waiting.len() as f64 / BETWEEN;
        self.load.refused += rate * time as f64;
        self.load.refused_peak = self.load.refused_peak.max(rate * 1e9);
    }

    /// What it had to bear.
    pub(super) fn into_load(mut self) -> Load {
        self.load.bytes = self.seconds.peak();
        self.load
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn server(change: impl Fn(&mut Settings)) -> Server {
        let mut settings = Settings::new(Timestamp::UNIX_EPOCH, "2.0.0".parse().unwrap());
        change(&mut settings);
        Server::new(&settings)
    }

    #[test]
    fn a_line_carries_no_more_than_it_can() {
        let mut server = server(|it| (it.bytes, it.downloads) = (125_000_000, 10));
        let ends: Vec<u64> = (0..10).filter_map(|host| server.ask(host, 0, 0)).collect();
        assert_eq!(ends.len(), 10);
        assert_eq!(ends.last(), Some(&(10 * SECOND)));
        assert_eq!(server.ask(10, 0, 0), None, "all places are taken");
        server.finish(ends[0]);
        let asked = server.next_question(ends[0], 0.5).unwrap();
        assert!(asked > ends[0]);
        assert_eq!(server.next_question(ends[0], 0.5), None, "once is enough");
        let (host, through) = server.question(asked, 7, |_| 0).unwrap();
        assert_eq!((host, through), (10, 11 * SECOND));
        let load = server.into_load();
        assert_eq!((load.downloads, load.waited), (10, 1));
        assert!((load.bytes - 125e6).abs() < 1.0);
        assert!(load.refused >= 1.0);
    }

    #[test]
    fn a_slow_site_keeps_its_own_hosts_waiting() {
        let mut server = server(|it| (it.bytes, it.site_rate) = (1_000_000, Some(1e6)));
        assert_eq!(server.ask(0, 1, 0), Some(SECOND));
        assert_eq!(server.ask(1, 1, 0), Some(2 * SECOND));
        assert_eq!(server.ask(2, 2, 0), Some(SECOND));
    }
}
