//! What comes by chance, always the same for the same number.

use lockstep_model::{
    Compare, Gate, Hours, Interval, Late, Limit, Percent, Spread, Strategy, Then, WaveSize, Windows,
};

use crate::schedule::stable_hash;

/// How long hours are shut at a stretch, in seconds: half a day. See [`Dice::hours`].
pub(super) const SHUT: u64 = 12 * 3600;

#[derive(Debug)]
pub(super) struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, thrown: 0 }
    }

    /// A number below this one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.thrown += 1;
        let drawn = stable_hash(&[self.seed.to_le_bytes(), self.thrown.to_le_bytes()]);
        drawn % end
    }

    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let which = self.below(all.len() as u64);
        &all[usize::try_from(which).unwrap()]
    }

    /// Hosts of a fleet: mostly few, up to sixty.
    pub(super) fn fleet(&mut self) -> usize {
        let most = *self.pick(&[3, 8, 8, 16, 16, 60]);
        usize::try_from(1 + self.below(most)).unwrap()
    }

    /// Any strategy for a world whose rounds take so many seconds.
    pub(super) fn strategy(&mut self, pace: u64, hosts: usize) -> Strategy {
        let hosts = u32::try_from(hosts).unwrap();
        Strategy {
            waves: self.waves(),
            domain: (!self.one_in(3)).then(|| "rack".into()),
            bake: Interval::from_secs(1 + self.below(4 * pace)),
            urgent_bake: Interval::from_secs(1),
            spread: self.spread(pace),
            windows: self.hours(pace),
            in_flight: self.one_in(2).then(|| self.limit()),
            fit: self.one_in(2).then(|| {
                let count = 1 + u32::try_from(self.below(u64::from(hosts))).unwrap();
                *self.pick(&[
                    WaveSize::share(50),
                    WaveSize::share(90),
                    WaveSize::Count(count),
                ])
            }),
            site: Some("site".into()),
            site_bytes: self.one_in(2).then(|| 1 + self.below(300)),
            late: *self.pick(&[Late::After, Late::Join, Late::AtOnce]),
            failed: self.gate(),
            silent: self.gate(),
            worse: self.gate(),
            compare: self.one_in(2).then(|| Compare {
                chance: Percent::new(*self.pick(&[1, 10, 50])).unwrap(),
                then: *self.pick(&Then::ALL),
            }),
            items: Vec::new(),
        }
    }

    /// One by which a healthy fleet comes to an end.
    pub(super) fn feasible(&mut self, pace: u64, hosts: usize) -> Strategy {
        let mut strategy = self.strategy(pace, hosts);
        strategy.late = Late::After;
        // Somebody can be spared.
        if strategy.fit.is_some_and(|fit| fit.of(hosts) >= hosts) {
            strategy.fit = None;
        }
        strategy
    }

    fn waves(&mut self) -> Vec<WaveSize> {
        let mut waves = Vec::new();
        let mut count = 0;
        for _ in 0..self.below(4) {
            count += 1 + u32::try_from(self.below(4)).unwrap();
            waves.push(WaveSize::Count(count));
        }
        let mut share = 0;
        for _ in 0..self.below(3) {
            share += 1 + u32::try_from(self.below(40)).unwrap();
            waves.push(WaveSize::share(share));
        }
        waves.push(WaveSize::ALL);
        waves
    }

    fn spread(&mut self, pace: u64) -> Spread {
        if !self.one_in(3) {
            return Spread::None;
        }
        let half = 1 + self.below(2 * pace);
        let all = half + 1 + self.below(4 * pace);
        format!("{half}s:50%, {all}s:100%").parse().unwrap()
    }

    /// Half of the day, where the days pass fast enough.
    fn hours(&mut self, pace: u64) -> Windows {
        if pace < 3600 || self.one_in(2) {
            return Windows::default();
        }
        let text = *self.pick(&["00:00-12:00", "06:00-18:00", "21:00-09:00"]);
        let hours = Hours::parse(text, "UTC").unwrap();
        Windows::new(Some(hours), "UTC", Vec::new()).unwrap()
    }

    fn gate(&mut self) -> Gate {
        Gate {
            limit: self.limit(),
            then: *self.pick(&Then::ALL),
        }
    }

    fn limit(&mut self) -> Limit {
        match self.below(4) {
            0 => Limit::count(0),
            1 => Limit::count(u32::try_from(self.below(5)).unwrap()),
            _ => Limit::share(u32::try_from(self.below(60)).unwrap()),
        }
    }
}
