//! The real curve, from what hosts told.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use lockstep_model::HostName;
use lockstep_model::api::operator::{RolloutCurve, RolloutView};

/// A host came to a version, proven.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Came {
    pub(super) host: HostName,
    pub(super) at: Timestamp,
    /// True if that is the rollout's version; false for one on the way to it, or one to which it went back.
    pub(super) has_it: bool,
}

/// The share of the rollout's hosts that run its version, proven, from each time on. `view` has the names of the hosts.
///
/// A host that runs the version and has not told of a run for this rollout needed none: it counts from the opening of its
/// wave on, or from the beginning where the wave is not open yet.
pub(super) fn curve(view: &RolloutView, came: &[Came]) -> Vec<(Timestamp, f64)> {
    let begin = view.created_at;
    let mut hosts: HashMap<&HostName, bool> = HashMap::new();
    for host in view.waves.iter().flat_map(|wave| &wave.hosts) {
        hosts.insert(&host.name, false);
    }
    let mut told: HashSet<&HostName> = HashSet::new();
    let mut steps: Vec<(Timestamp, &HostName, bool)> = Vec::new();
    for it in came.iter().filter(|it| hosts.contains_key(&it.host)) {
        told.insert(&it.host);
        steps.push((it.at.max(begin), &it.host, it.has_it));
    }
    for wave in &view.waves {
        let since = wave.opened_at.unwrap_or(begin).max(begin);
        let silent = wave
            .hosts
            .iter()
            .filter(|host| host.state == "proven" && !told.contains(&host.name));
        steps.extend(silent.map(|host| (since, &host.name, true)));
    }
    steps.sort_by_key(|step| step.0);

    let all = hosts.len().max(1) as f64;
    let mut proven: usize = 0;
    let mut curve: Vec<(Timestamp, f64)> = vec![(begin, 0.0)];
    for (at, host, has_it) in steps {
        let Some(had_it) = hosts.insert(host, has_it) else {
            continue;
        };
        match (had_it, has_it) {
            (false, true) => proven += 1,
            (true, false) => proven = proven.saturating_sub(1),
            _ => continue,
        }
        let share = proven as f64 / all;
        match curve.last_mut() {
            Some(last) if last.0 == at => last.1 = share,
            _ => curve.push((at, share)),
        }
    }
    let mut curve = thinned(curve, RolloutCurve::MOST_POINTS - 1);
    // A rollout that is not over stands where it stands until now.
    if !view.state.is_over()
        && let Some(&(last, share)) = curve.last()
        && last < view.at
    {
        curve.push((view.at, share));
    }
    curve
}

/// At most so many of the points: the first, the last, and of those between them every so many.
fn thinned(points: Vec<(Timestamp, f64)>, most: usize) -> Vec<(Timestamp, f64)> {
    let count = points.len();
    if count <= most || most < 2 {
        return points;
    }
    let chosen = (0..most).map(|place| place * (count - 1) / (most - 1));
    chosen.map(|at| points[at]).collect()
}

#[cfg(test)]
mod tests {
    use lockstep_model::api::operator::{WaveFigures, WaveHost, WaveView};
    use lockstep_model::{ChannelName, PackageName, RolloutId, RolloutState, Version, WaveState};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn name(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    fn wave(hosts: &[(&str, &str)], opened_at: Option<Timestamp>) -> WaveView {
        WaveView {
            state: WaveState::Open,
            figures: WaveFigures::default(),
            opened_at,
            proven_at: None,
            bakes_until: None,
            skipped_by: None,
            hosts: hosts
                .iter()
                .map(|(host, state)| WaveHost {
                    name: name(host),
                    state: (*state).into(),
                    worse: false,
                    kept: None,
                    skipped: None,
                })
                .collect(),
        }
    }

    fn view(waves: Vec<WaveView>, state: RolloutState) -> RolloutView {
        RolloutView {
            id: RolloutId(7),
            package: PackageName::lockstep(),
            version: Version::parse("1.4.2").unwrap(),
            from: None,
            channel: ChannelName::stable(),
            state,
            why: String::new(),
            created_at: at(0),
            at: at(1000),
            urgent: false,
            generation: 7,
            paused_by: None,
            strategy: None,
            gates: Vec::new(),
            suspect: None,
            cluster: None,
            expected_end: None,
            waves,
            decisions: Vec::new(),
        }
    }

    fn came(host: &str, second: i64, has_it: bool) -> Came {
        Came {
            host: name(host),
            at: at(second),
            has_it,
        }
    }

    #[test]
    fn hosts_count_from_their_proof_on() {
        let waves = vec![
            wave(&[("a", "proven")], Some(at(10))),
            wave(
                &[("b", "proven"), ("c", "running"), ("d", "proven")],
                Some(at(50)),
            ),
        ];
        let came = [
            came("b", 60, false), // on the way, by another version
            came("b", 70, true),
            came("a", 20, true),
            came("a", 25, true),        // once more
            came("stranger", 30, true), // not of this rollout
        ];
        let running = curve(&view(waves.clone(), RolloutState::Running), &came);
        // d told of no run: it had the version already.
        let expected = [(0, 0.0), (20, 0.25), (50, 0.5), (70, 0.75), (1000, 0.75)];
        assert_eq!(running, expected.map(|(second, share)| (at(second), share)));
        let over = curve(&view(waves, RolloutState::Done), &came);
        assert_eq!(over, running[..4]);
    }

    #[test]
    fn hosts_that_go_back_do_not_count_any_more() {
        let waves = vec![wave(&[("a", "waiting"), ("b", "waiting")], Some(at(10)))];
        let came = [
            came("a", 20, true),
            came("a", 40, false),
            came("b", -5, true),
        ];
        let curve = curve(&view(waves, RolloutState::Cancelled), &came);
        // What a clock that runs behind says of the time before the beginning counts at the beginning.
        let expected = [(0, 0.5), (20, 1.0), (40, 0.5)];
        assert_eq!(curve, expected.map(|(second, share)| (at(second), share)));
    }

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let names: Vec<String> = (0..5000).map(|number| format!("h{number}")).collect();
        let hosts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "proven")).collect();
        let came: Vec<Came> = (0..5000)
            .map(|number| came(&names[number], number as i64 / 10, true))
            .collect();
        let waves = vec![wave(&hosts, Some(at(0)))];
        let curve = curve(&view(waves, RolloutState::Running), &came);
        assert_eq!(curve.len(), RolloutCurve::MOST_POINTS);
        assert_eq!(curve.first(), Some(&(at(0), 0.002)));
        assert_eq!(curve.last(), Some(&(at(1000), 1.0)));
        assert!(
            curve
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1)
        );
    }

    #[test]
    fn a_rollout_without_hosts_is_a_line() {
        let curve = curve(&view(Vec::new(), RolloutState::Planned), &[]);
        assert_eq!(curve, [(at(0), 0.0), (at(1000), 0.0)]);
    }
}
