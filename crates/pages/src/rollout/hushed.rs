//! What the rollout's own runs keep quiet: a run silences what it is expected to cause, for as long as it goes on.

use maud::{Markup, html};

use crate::Frame;
use crate::parts::level::badge;
use crate::parts::link;
use crate::silences::Quiet;

/// Runs that are named; the page of silences has them all.
const MOST_RUNS: usize = 20;

/// The problems that are held back by leases of the rollout's runs, by run.
pub(super) fn hushed(frame: &Frame<'_>, leases: &[&Quiet]) -> Markup {
    let problems: u64 = leases.iter().map(|it| it.holds_back).sum();
    let mut holding: Vec<&&Quiet> = leases.iter().filter(|it| it.holds_back > 0).collect();
    holding.sort_by(|a, b| {
        b.holds_back
            .cmp(&a.holds_back)
            .then_with(|| a.silence.id.cmp(&b.silence.id))
    });
    let more = holding.len().saturating_sub(MOST_RUNS);
    html! {
        section .hushed #hushed data-live aria-labelledby="hushed-title" {
            h2 #hushed-title { "Kept quiet by its runs" }
            @if leases.is_empty() {
                p { "Nothing: none of its runs silences anything now." }
            } @else if holding.is_empty() {
                p { (leases.len()) " of its runs silence their hosts, and there is nothing that they hold back." }
            } @else {
                p { (problems) " problems, while the runs go on. Gates look at them all the same." }
                ul { @for quiet in holding.iter().take(MOST_RUNS) { li { (one(frame, quiet)) } } }
                @if more > 0 { p { "and " (more) " more runs, under " a href="/silences" { "Quiet" } } }
            }
        }
    }
}

fn one(frame: &Frame<'_>, quiet: &Quiet) -> Markup {
    html! {
        @for (place, held) in quiet.worst.iter().enumerate() {
            @if place > 0 { ", " }
            (badge(held.level, frame.levels)) " " (link::host(&held.host)) " " (link::item(&held.host, &held.item))
        }
        @let more = quiet.holds_back.saturating_sub(quiet.worst.len() as u64);
        @if more > 0 { " and " (more) " more" }
        @if let Some(run) = &quiet.silence.run { ", by its " a href={ "/runs/" (run) } { "run" } }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::alert::Silence;
    use lockstep_model::{HostName, ItemName, Level, Role, RunId};

    use super::*;
    use crate::frame::tests::with_frame;
    use crate::silences::Held;

    fn lease(holds_back: u64) -> Quiet {
        let at = "2026-11-22T11:00:00Z".parse().unwrap();
        let held = Held {
            level: Level::SICK,
            host: HostName::parse("web1").unwrap(),
            item: ItemName::parse("load").unwrap(),
        };
        Quiet {
            silence: Silence {
                id: "s1".into(),
                hosts: Vec::new(),
                groups: Vec::new(),
                items: Vec::new(),
                starts_at: at,
                ends_at: at,
                owner: "run".into(),
                reason: "an update".into(),
                run: Some(RunId::new(at, [7; 10])),
            },
            holds_back,
            hosts: 1,
            oldest: None,
            worst: if holds_back > 0 {
                vec![held]
            } else {
                Vec::new()
            },
        }
    }

    #[test]
    fn what_is_held_back_is_told_with_its_run() {
        let (three, none) = (lease(3), lease(0));
        let draw = |leases: &[&Quiet]| with_frame(Role::Viewer, |frame| hushed(frame, leases).0);
        let said = draw(&[&none, &three]);
        assert!(
            said.contains("3 problems") && said.contains("and 2 more"),
            "{said}"
        );
        assert!(said.contains("/hosts/web1/items/load"), "{said}");
        assert!(said.contains(&format!("/runs/{}", three.silence.run.unwrap())));
        assert_eq!(said.matches("<li>").count(), 1);
        assert!(draw(&[]).contains("Nothing"));
        assert!(draw(&[&none]).contains("nothing that they hold back"));
    }
}
