//! Rollouts as operators see them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use lockstep_model::api::Report;
use lockstep_model::api::operator::{DecisionView, RolloutView, WaveFigures, WaveHost, WaveView};
use lockstep_model::{HostName, PackageName, Rollout, Suspect, Wave, WaveState};
use lockstep_plan::rollout::{self, HostFacts, Look};

use crate::app::App;

/// Whether the names of hosts are told: of ten thousand they are a megabyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// They are.
    Told,
    /// Figures are enough.
    LeftOut,
}

/// What is told beside the rollout itself, when one alone is asked for.
#[derive(Debug, Default)]
pub(crate) struct Detail {
    /// Every decision, oldest first.
    pub(crate) decisions: Vec<DecisionView>,
}

/// A rollout, with how its hosts stand. `detail` is told of one alone, not in lists.
pub(crate) fn view(
    rollout: &Rollout,
    facts: &[HostFacts],
    suspect: Option<&Suspect>,
    names: Names,
    detail: Option<Detail>,
    now: Timestamp,
) -> RolloutView {
    let facts: HashMap<&HostName, &HostFacts> =
        facts.iter().map(|facts| (&facts.name, facts)).collect();
    let look = Look::of(rollout, &facts, None);
    let waves = rollout.waves.iter().zip(&look.waves);
    let waves = waves
        .map(|(wave, tally)| {
            let mut view = wave_view(rollout, wave, &facts, names);
            view.figures.worse = tally.worse.count;
            view
        })
        .collect();
    let gates = rollout::gates(rollout, &look);
    let (strategy, gates, decisions) = match detail {
        Some(detail) => (
            Some(rollout.strategy.clone()),
            gates.iter().map(ToString::to_string).collect(),
            detail.decisions,
        ),
        None => (None, Vec::new(), Vec::new()),
    };
    RolloutView {
        id: rollout.id,
        package: rollout.package.clone(),
        version: rollout.version.clone(),
        from: rollout.from.clone(),
        channel: rollout.channel.clone(),
        state: rollout.state,
        why: rollout.why.clone(),
        created_at: rollout.created_at,
        at: now,
        urgent: rollout.urgent,
        generation: rollout.id.0,
        paused_by: rollout.paused_by.clone(),
        strategy,
        gates,
        suspect: suspect.cloned(),
        cluster: rollout::common(rollout, &facts, |host| host.failed).map(|it| it.to_string()),
        expected_end: rollout::expected_end(rollout, now),
        waves,
        decisions,
    }
}

/// Hosts that keep themselves out of a rollout of which it is told why.
const MOST_WHY_KEPT: usize = 50;

/// Most hosts whose words are remembered.
const MOST_REMEMBERED: usize = 2000;

/// Why hosts keep packages, in their own words. They change with the next report only, so a report is read once, and not
/// each second while somebody looks at the rollout.
#[derive(Debug, Default)]
pub(crate) struct KeptWords(Mutex<HashMap<(PackageName, HostName), Said>>);

/// What a host said, and when.
#[derive(Debug, Clone)]
struct Said {
    at: Option<Timestamp>,
    why: Option<String>,
}

impl KeptWords {
    /// What a host said of a package by the report that was received `at`; none if that was not read yet.
    fn known(&self, key: &(PackageName, HostName), at: Option<Timestamp>) -> Option<Said> {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        words.get(key).filter(|said| said.at == at).cloned()
    }

    fn remember(&self, key: (PackageName, HostName), said: Said) {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() >= MOST_REMEMBERED {
            words.clear();
        }
        words.insert(key, said);
    }
}

/// Adds why hosts keep themselves out of it, by their last reports. Of many, the first ones.
pub(crate) async fn say_why_kept(
    app: &App,
    view: &mut RolloutView,
    facts: &[HostFacts],
) -> Result<(), lockstep_store::Error> {
    let package = view.package.clone();
    let hosts = view.waves.iter_mut().flat_map(|wave| &mut wave.hosts);
    let kept: Vec<&mut WaveHost> = hosts
        .filter(|host| host.state == "kept")
        .take(MOST_WHY_KEPT)
        .collect();
    if kept.is_empty() {
        return Ok(());
    }
    let seen: HashMap<&HostName, Option<Timestamp>> =
        facts.iter().map(|it| (&it.name, it.last_seen)).collect();
    for host in kept {
        let key = (package.clone(), host.name.clone());
        let at = seen.get(&host.name).copied().flatten();
        if let Some(said) = app.kept_words.known(&key, at) {
            host.kept = said.why;
            continue;
        }
        let report = app.store.host(&host.name).await?.and_then(|it| it.report);
        host.kept = report.and_then(|report| why_kept(&report, &package));
        let why = host.kept.clone();
        app.kept_words.remember(key, Said { at, why });
    }
    Ok(())
}

/// Why a host keeps a package as it is, in its own words.
fn why_kept(report: &Report, package: &PackageName) -> Option<String> {
    let mut by_hand = report.kept.iter().filter(|it| it.is_by_hand());
    match by_hand.find(|it| it.package == *package) {
        Some(kept) if kept.words.trim().is_empty() => Some(kept.code.clone()),
        Some(kept) => Some(kept.words.clone()),
        None if !report.updates_enabled => Some("updates are switched off there".into()),
        None => None,
    }
}

fn wave_view(
    rollout: &Rollout,
    wave: &Wave,
    facts: &HashMap<&HostName, &HostFacts>,
    names: Names,
) -> WaveView {
    let let_go = wave.split().0.len();
    let mut figures = WaveFigures {
        hosts: wave.hosts.len(),
        let_go,
        ..WaveFigures::default()
    };
    let mut hosts = Vec::new();
    for (place, name) in wave.hosts.iter().enumerate() {
        let known = facts.get(name).copied();
        let state = match known {
            Some(facts) => rollout::host_state(rollout, wave, place < let_go, facts),
            None => "gone",
        };
        count(&mut figures, state);
        if names == Names::Told {
            let is_worse = place < let_go && known.is_some_and(|it| rollout::is_worse(rollout, it));
            hosts.push(WaveHost {
                name: name.clone(),
                state: state.into(),
                worse: is_worse,
                kept: None,
                skipped: rollout.skipped.get(name).cloned(),
            });
        }
    }
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    let bake = rollout.strategy.bake.duration();
    let is_watched = wave.state == WaveState::Proven && wave.skipped_by.is_none();
    WaveView {
        state: wave.state,
        figures,
        opened_at: wave.opened_at,
        proven_at: wave.proven_at,
        bakes_until: wave
            .proven_at
            .filter(|_| is_watched)
            .and_then(|proven_at| proven_at.checked_add(bake).ok()),
        skipped_by: wave.skipped_by.clone(),
        hosts,
    }
}

/// Counts a host by the words of [`rollout::host_state`].
fn count(figures: &mut WaveFigures, state: &str) {
    let figure = match state {
        "ordered" => &mut figures.ordered,
        "running" => &mut figures.running,
        "proven" => &mut figures.proven,
        "failed" => &mut figures.failed,
        "silent" => &mut figures.silent,
        "kept" => &mut figures.kept,
        "skipped" => &mut figures.skipped,
        "gone" => &mut figures.gone,
        _ => &mut figures.waiting,
    };
    *figure += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hold_until_the_next_report_and_are_bounded() {
        let words = KeptWords::default();
        let key = |n: usize| {
            let host = HostName::parse(&format!("web{n}")).unwrap();
            (PackageName::lockstep(), host)
        };
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let said = |second| Said {
            at: at(second),
            why: Some("its disk".into()),
        };
        assert!(words.known(&key(1), at(10)).is_none());
        words.remember(key(1), said(10));
        let known = words.known(&key(1), at(10)).unwrap();
        assert_eq!(known.why.as_deref(), Some("its disk"));
        assert!(
            words.known(&key(1), at(20)).is_none(),
            "it has reported since"
        );
        for n in 0..3 * MOST_REMEMBERED {
            words.remember(key(n), said(10));
        }
        assert!(words.0.lock().unwrap().len() <= MOST_REMEMBERED);
    }
}
