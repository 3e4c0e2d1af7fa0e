//! The simulator against `plan::rollout::tick`: the same fleet with names, the same fates, looked at at the same times.
//! Both must come to the same waves, let the same hosts go, and decide the same, look by look. And a nanosecond before
//! each look of the simulator, `tick` must have nothing to do: no moment is missed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{
    Baseline, Health, HostName, Level, Rollout, RolloutId, RolloutState, Strategy, Version,
};
use lockstep_plan::rollout::{Decision, HostFacts, Labels, Names, Why, before, tick};
use serde_json::json;

use super::conductor::{Conductor, Looked};
use super::fleet::{Fleet, Host};
use super::outcome::End;
use super::settings::Settings;
use super::standing::Standing;
use super::world::{Watch, World};

/// The same rollout, moved by `tick`.
struct Twin {
    seed: u64,
    rollout: Rollout,
    baselines: Vec<Baseline>,
    names: Vec<HostName>,
    labels: Vec<Arc<Labels>>,
    facts: Vec<HostFacts>,
    bytes: u64,
    decided: usize,
    looks: usize,
    /// The last look wrote something down and held: the next one sees hosts in another light.
    held_while_writing: bool,
    kinds: BTreeSet<&'static str>,
}

impl Twin {
    fn facts(
        &self,
        conductor: &Conductor<'_>,
        known: &HashMap<HostName, Health>,
    ) -> Vec<HostFacts> {
        let version = |text: &str| Some(text.parse::<Version>().unwrap());
        let (old, new) = (version("1.0.0"), version("2.0.0"));
        (0..self.names.len())
            .map(|host| {
                let standing = conductor.hosts[host];
                let name = self.names[host].clone();
                HostFacts {
                    version: if standing.is(Standing::PROVEN) {
                        new.clone()
                    } else {
                        old.clone()
                    },
                    proven: true,
                    failed: standing.is(Standing::FAILED),
                    running: standing.is(Standing::RUNNING),
                    kept: false,
                    last_seen: None,
                    health: Health {
                        silent: standing.is(Standing::SILENT),
                        ailing: if standing.is(Standing::AILING) {
                            vec![("load".parse().unwrap(), Level::SICK)]
                        } else {
                            Vec::new()
                        },
                    },
                    before: known.get(&name).cloned(),
                    labels: self.labels[host].clone(),
                    bytes: self.bytes,
                    name,
                }
            })
            .collect()
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Decision> {
        let Some(step) = tick(&self.rollout, &self.facts, None, now) else {
            return Vec::new();
        };
        self.rollout = step.rollout;
        self.baselines.extend(step.baselines);
        step.reasons
    }
}

impl Watch for Twin {
    fn before(&mut self, conductor: &Conductor<'_>, now: Timestamp) {
        let known = before(&self.baselines, &self.rollout);
        if !self.facts.is_empty() && !self.held_while_writing {
            // As hosts stood after the last look, with what was written down in it.
            for host in &mut self.facts {
                host.before = known.get(&host.name).cloned();
            }
            let just_before = now - jiff::SignedDuration::from_nanos(1);
            if let Some(step) = tick(&self.rollout, &self.facts, None, just_before) {
                assert!(
                    step.reasons.is_empty() && step.rollout.waves == self.rollout.waves,
                    "seed {}: missed before {now}: {:?}",
                    self.seed,
                    step.decisions
                );
            }
        }
        self.facts = self.facts(conductor, &known);
    }

    fn after(&mut self, conductor: &Conductor<'_>, looked: &Looked, now: Timestamp) {
        let reasons = self.tick(now);
        self.looks += 1;
        let what = format!("seed {}, look {} at {now}", self.seed, self.looks);
        // The way back is not simulated.
        let is_on_way =
            |decision: &Decision| !matches!(decision, Decision::Ended(Why::TakenBack { .. }));
        let theirs: Vec<Decision> = reasons.into_iter().filter(is_on_way).map(plain).collect();
        let ours: Vec<Decision> = conductor.decisions[self.decided..]
            .iter()
            .map(|(_, decision)| plain(decision.clone()))
            .collect();
        self.decided = conductor.decisions.len();
        assert_eq!(ours, theirs, "{what}");
        self.kinds.extend(ours.iter().map(kind));
        let ended = |state| {
            use RolloutState::{Cancelled, Halted, RollingBack};
            matches!(state, Halted | RollingBack | Cancelled)
        };
        assert!(
            self.rollout.state == conductor.state
                || ended(self.rollout.state) && ended(conductor.state),
            "{what}: {:?} instead of {:?}",
            conductor.state,
            self.rollout.state
        );
        assert_eq!(self.rollout.waves.len(), conductor.waves.len(), "{what}");
        for (index, wave) in self.rollout.waves.iter().enumerate() {
            let lane = conductor.lanes[index];
            if !ended(conductor.state) {
                assert_eq!(
                    (lane.state, lane.proven_at, lane.looks),
                    (wave.state, wave.proven_at, wave.looks),
                    "{what}"
                );
            }
            assert_eq!(lane.opened_at, wave.opened_at, "{what}");
            let names = |hosts: &mut dyn Iterator<Item = u32>| -> BTreeSet<&HostName> {
                hosts.map(|host| &self.names[host as usize]).collect()
            };
            let members = &conductor.waves[index];
            assert_eq!(
                names(&mut members.iter().copied()),
                wave.hosts.iter().collect(),
                "{what}, wave {index}"
            );
            let is_let_go = |host: &u32| conductor.hosts[*host as usize].is(Standing::LET_GO);
            assert_eq!(
                names(&mut members.iter().copied().filter(is_let_go)),
                wave.split().0.iter().collect(),
                "{what}, wave {index}: let go"
            );
        }
        self.held_while_writing = looked.wrote && self.rollout.state == RolloutState::Holding;
        if let Why::Waits { short, .. } = &looked.why
            && short.is_some()
        {
            self.kinds.insert("short");
        }
    }
}

/// A decision without names.
fn plain(decision: Decision) -> Decision {
    let strip = |names: Names| Names::unnamed(names.count);
    match decision {
        Decision::Opened { wave, hosts } => Decision::Opened {
            wave,
            hosts: strip(hosts),
        },
        Decision::Replaced { wave, left, came } => Decision::Replaced {
            wave,
            left: strip(left),
            came: strip(came),
        },
        Decision::Held(why) => Decision::Held(plain_why(why)),
        Decision::Halted(why) => Decision::Halted(plain_why(why)),
        other => other,
    }
}

fn plain_why(why: Why) -> Why {
    let strip = |names: Names| Names::unnamed(names.count);
    match why {
        Why::GateOrderedBack { why, .. } => plain_why(*why),
        Why::TooManyFailed {
            wave,
            failed,
            hosts,
            limit,
            ..
        } => Why::TooManyFailed {
            wave,
            failed: strip(failed),
            hosts,
            limit,
            cluster: None,
        },
        Why::TooManyWorse {
            wave,
            worse,
            hosts,
            limit,
            ..
        } => Why::TooManyWorse {
            wave,
            worse: strip(worse),
            hosts,
            limit,
            cluster: None,
        },
        Why::WorseThanOthers { wave, verdict, .. } => Why::WorseThanOthers {
            wave,
            verdict,
            cluster: None,
        },
        Why::TooManySilent {
            wave,
            silent,
            hosts,
            limit,
        } => Why::TooManySilent {
            wave,
            silent: strip(silent),
            hosts,
            limit,
        },
        other => other,
    }
}

fn kind(decision: &Decision) -> &'static str {
    match decision {
        Decision::Begun { .. } => "begun",
        Decision::Replaced { .. } => "replaced",
        Decision::Opened { .. } => "opened",
        Decision::Proven { .. } => "proven",
        Decision::Held(_) => "held",
        Decision::Compared { .. } => "compared",
        Decision::WentOn { .. } => "went on",
        Decision::Halted(Why::TooManyFailed { .. }) => "halted: failed",
        Decision::Halted(Why::TooManyWorse { .. }) => "halted: worse",
        Decision::Halted(Why::TooManySilent { .. }) => "halted: silent",
        Decision::Halted(Why::WorseThanOthers { .. }) => "halted: compared",
        Decision::Ended(_) => "ended",
        _ => "other",
    }
}

/// A strategy of every kind.
pub(super) fn any_strategy(luck: &mut fastrand::Rng) -> Strategy {
    let mut keys = json!({
        "waves": *luck.choice(&[
            vec!["1", "1%", "10%", "50%", "100%"], vec!["100%"], vec!["3", "30%", "100%"], vec!["20%", "100%"],
            vec!["2", "4", "8", "16", "50%", "100%"],
        ][..]).unwrap(),
        "bake": *luck.choice(&["1s", "2m", "10m", "1h"]).unwrap(),
        "spread": *luck.choice(&["none", "none", "gamma", "10m:50%, 30m:100%", "1h:20%, 2h:100%"]).unwrap(),
        "failed": *luck.choice(&["1%", "5%", "2% min 3", "0", "100%"]).unwrap(),
        "silent": *luck.choice(&["2%", "10%", "0", "5% min 2"]).unwrap(),
        "worse": *luck.choice(&["5%", "0", "20%", "100%"]).unwrap(),
        "compare": *luck.choice(&["off", "1%", "5%", "50%"]).unwrap(),
    });
    let then = ["hold", "halt", "roll-back", "roll-back-wave"];
    let mut sometimes = |key: &str, values: &[&str]| {
        if luck.bool()
            && let Some(value) = luck.choice(values)
        {
            keys[key] = json!(value);
        }
    };
    for key in ["on_failed", "on_silent", "on_worse", "on_compare"] {
        sometimes(key, &then);
    }
    sometimes("domain", &["rack"]);
    sometimes("in_flight", &["1", "5", "10%", "1% min 2"]);
    sometimes("fit", &["50%", "90%", "95%", "150"]);
    sometimes("site", &["site"]);
    sometimes("hours", &["Mon-Sun 02:00-04:00", "Mon-Fri 08:00-18:00"]);
    sometimes("zone", &["UTC", "Europe/Berlin"]);
    if keys.get("site").is_some() && luck.bool() {
        keys["site_bytes"] = json!(luck.u64(1..5) * 5_000_000);
    }
    serde_json::from_value(keys.clone()).unwrap_or_else(|error| panic!("{keys}: {error}"))
}

pub(super) fn any_settings(luck: &mut fastrand::Rng) -> Settings {
    let start = Timestamp::from_second(1_780_000_000 + luck.i64(0..700_000)).unwrap();
    let mut settings = Settings::new(start, "2.0.0".parse().unwrap());
    let share = |luck: &mut fastrand::Rng, shares: &[f64]| *luck.choice(shares).unwrap();
    settings.offline = share(luck, &[0.0, 0.01, 0.05, 0.1]);
    settings.fail = share(luck, &[0.0, 0.0, 0.005, 0.03]);
    settings.noise = share(luck, &[0.0, 0.001, 0.01, 0.05]);
    settings.breaks = share(luck, &[0.0, 0.0, 0.02, 0.2, 1.0]);
    settings.shows_after = Duration::from_secs(*luck.choice(&[10, 150, 600]).unwrap());
    settings.push = luck.bool();
    settings.downloads = *luck.choice(&[1, 4, 64]).unwrap();
    settings.step = Duration::ZERO;
    settings.longest = Duration::from_secs(20 * 3600);
    settings
}

fn hosts(count: usize, luck: &mut fastrand::Rng) -> Vec<Host> {
    let racks = luck.usize(1..20);
    let sites = luck.usize(1..6);
    (0..count)
        .map(|number| Host {
            name: format!("web{number}.example.org").parse().unwrap(),
            domain: format!("rack-{}", luck.usize(..racks)),
            site: luck
                .u8(..10)
                .ge(&1)
                .then(|| format!("site-{}", luck.usize(..sites))),
        })
        .collect()
}

/// One rollout, twice.
fn compare(seed: u64, count: usize) -> (End, Twin) {
    let mut luck = fastrand::Rng::with_seed(seed);
    let strategy = any_strategy(&mut luck);
    let settings = any_settings(&mut luck);
    run_both(seed, count, &strategy, &settings, &mut luck)
}

fn run_both(
    seed: u64,
    count: usize,
    strategy: &Strategy,
    settings: &Settings,
    luck: &mut fastrand::Rng,
) -> (End, Twin) {
    let mut hosts = hosts(count, luck);
    let labels = hosts.iter().map(|host| {
        let mut labels = Labels::from([("rack".to_owned(), host.domain.clone())]);
        labels.extend(host.site.clone().map(|site| ("site".to_owned(), site)));
        Arc::new(labels)
    });
    let labels: Vec<Arc<Labels>> = labels.collect();
    let id = RolloutId(seed);
    if strategy.domain.is_none() {
        hosts.iter_mut().for_each(|host| host.domain.clear());
    }
    let fleet = Fleet::of(&hosts, strategy, id);
    let twin = Twin {
        seed,
        rollout: Rollout {
            id,
            package: "web".parse().unwrap(),
            version: settings.version.clone(),
            from: Some("1.0.0".parse().unwrap()),
            channel: "stable".parse().unwrap(),
            strategy: strategy.clone(),
            urgent: false,
            state: RolloutState::Planned,
            why: String::new(),
            paused_by: None,
            skipped: std::collections::BTreeMap::new(),
            waves: Vec::new(),
            created_at: settings.start,
        },
        baselines: Vec::new(),
        names: hosts.into_iter().map(|host| host.name).collect(),
        labels,
        facts: Vec::new(),
        bytes: settings.bytes,
        decided: 0,
        looks: 0,
        held_while_writing: false,
        kinds: BTreeSet::new(),
    };
    let (outcome, twin) = World::new(&fleet, strategy, settings, seed, twin).run();
    (outcome.end, twin)
}

/// A release that makes every other host sick some time after it has proven itself, with gates that let that pass.
fn stopped_by_comparison() -> (End, Twin) {
    let mut luck = fastrand::Rng::with_seed(0);
    let mut settings = any_settings(&mut luck);
    settings.breaks = 0.5;
    settings.shows_after = Duration::from_secs(600);
    let keys = json!({
        "waves": ["30%", "100%"], "bake": "1h", "failed": "100%", "worse": "100%", "silent": "100%",
        "compare": "1%", "domain": "rack",
    });
    let strategy = serde_json::from_value(keys).unwrap();
    run_both(1000, 200, &strategy, &settings, &mut luck)
}

#[test]
fn the_simulator_and_the_server_decide_alike() {
    let mut ends: HashMap<&str, usize> = HashMap::new();
    let mut kinds = BTreeSet::new();
    // Side by side, for each of them takes a while.
    let parts: Vec<Vec<(End, Twin)>> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..4)
            .map(|part| {
                scope.spawn(move || {
                    (part * 25..part * 25 + 25)
                        .map(|seed| compare(seed, 200))
                        .collect()
                })
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap()).collect()
    });
    for (end, twin) in parts.into_iter().flatten() {
        let end = match end {
            End::Done => "done",
            End::Stopped => "stopped",
            End::Stuck => "stuck",
        };
        *ends.entry(end).or_default() += 1;
        kinds.extend(twin.kinds);
    }
    let (end, twin) = stopped_by_comparison();
    assert_eq!(end, End::Stopped);
    kinds.extend(twin.kinds);
    // All of it has been seen, or the agreement would say little.
    assert!(ends["done"] >= 10 && ends["stopped"] >= 10, "{ends:?}");
    for kind in [
        "begun",
        "replaced",
        "opened",
        "proven",
        "held",
        "went on",
        "halted: failed",
        "halted: worse",
        "halted: compared",
        "compared",
        "ended",
        "short",
    ] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
}
