//! The process is killed, or the power is cut, between any two writes of a run: the next call brings it to its end.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

use super::stage::{ALL, Stage, lock, stage};
use super::{chains, nobody_has};
use crate::world::World;

/// So many cuts, drawn from all that are possible; `LOCKSTEP_ALL_CUTS=1` tries each.
const MOST: usize = 24;

/// The points that a run passes.
fn passages(world: &World, host: &Stage) -> Vec<String> {
    let trace = world.path("points");
    let run = host.start_with(&[], Some(("LOCKSTEP_FAULT_TRACE", trace.to_str().unwrap())));
    assert_eq!(run.ends_with(0), "done\n");
    let text = std::fs::read_to_string(&trace).unwrap();
    let points: BTreeSet<String> = text.lines().map(|line| line.replace(' ', ":")).collect();
    points.into_iter().collect()
}

/// Cuts one run at a point, and has the next call go on with it. True if it was cut.
fn cut(world: &World, host: &Stage, fault: &str) -> bool {
    let before = host.run();
    let fence = lock(world, "os")["state"]["fence"].as_u64().unwrap();
    host.forget_calls();
    let run = host.start_with(&[], Some(("LOCKSTEP_FAULT", fault)));
    let status = run.ends();
    let was_cut = status.signal() == Some(9);
    assert!(was_cut || status.success(), "{fault}: {status}");
    if host.run() == before || host.step() != "over" {
        let said = host.update(&[], 0);
        assert_eq!(said, "done\n", "{fault}");
    }
    assert_eq!(host.journal()["step"]["outcome"], "done", "{fault}");
    // Each phase in its turn, and only the one that was cut may have come twice.
    let mut called = host.called();
    assert!(called.len() <= ALL.len() + 1, "{fault}: {called:?}");
    called.dedup();
    assert_eq!(called, ALL, "{fault}");
    // Under one grant, which was given back.
    let view = lock(world, "os");
    assert_eq!(view["state"]["fence"], fence + 1, "{fault}: {view}");
    assert_eq!(
        view["state"]["holders"].as_array().map(Vec::len),
        Some(0),
        "{fault}: {view}"
    );
    was_cut
}

#[test]
fn a_run_survives_a_cut_at_every_write() {
    let world = World::start();
    let web1 = stage(&world, "web1");
    let points = passages(&world, &web1);
    for needed in [
        "agent:run-journal:",
        "agent:run-journaled:",
        "agent:fs.rename:",
    ] {
        assert!(points.iter().any(|it| it.starts_with(needed)), "{points:?}");
    }
    let seed = fastrand::u64(..);
    println!("{} points, seed {seed}", points.len());
    let mut faults: Vec<String> = points
        .iter()
        .enumerate()
        .flat_map(|(at, point)| {
            let drawn = format!("{point}:powercut-{}", seed.wrapping_add(at as u64));
            [point.clone(), format!("{point}:powercut"), drawn]
        })
        .collect();
    if std::env::var_os("LOCKSTEP_ALL_CUTS").is_none() {
        fastrand::Rng::with_seed(seed).shuffle(&mut faults);
        faults.truncate(MOST);
        // The end of a run is written down, and nobody comes back to tell of it.
        let ends = points.iter().filter_map(|point| {
            let number = point.strip_prefix("agent:run-journaled:")?;
            number.parse::<u32>().ok()
        });
        faults.push(format!("agent:run-journaled:{}", ends.max().unwrap()));
    }
    let fell = faults
        .iter()
        .filter(|fault| cut(&world, &web1, fault))
        .count();
    println!("{} cuts, {fell} of them fell", faults.len());
    assert!(
        fell * 10 >= faults.len() * 8,
        "only {fell} of {} cuts fell",
        faults.len()
    );
    // What lay in the outbox goes with the next run. The server knows how each one ended.
    assert_eq!(web1.update(&[], 0), "done\n");
    let runs = world.json(&["run", "list", "--json"]);
    for run in runs.as_array().unwrap() {
        assert_eq!(run["outcome"], "done", "{run}");
    }
    nobody_has(&world, "os");
    // An entry that was written down and not yet in the outbox was told again as a later one.
    let (received, own) = chains(&world, &web1);
    let gaps = received["not_received"].as_array().unwrap();
    assert!(gaps.len() <= fell, "{received}");
    assert_eq!(own["head"]["number"], received["head"], "{own} {received}");
}
