//! Hosts that people have left out of a rollout, and the forms that leave one out or take it in again.

use lockstep_model::api::operator::{RolloutView, WaveHost};
use lockstep_model::{RolloutState, SkippedHost};
use maud::{Markup, html};

use crate::Frame;
use crate::parts::action::{Action, text, word};
use crate::parts::link;
use crate::rollouts::{path, when};

/// Hosts that the form suggests; any other one can be written.
const MOST_SUGGESTED: usize = 200;

/// The form that leaves a host out, where that can be said.
pub(super) fn skip(frame: &Frame<'_>, rollout: &RolloutView) -> Markup {
    if !matches!(
        rollout.state,
        RolloutState::Planned | RolloutState::Running | RolloutState::Holding
    ) {
        return html! {};
    }
    let may_be = |host: &&WaveHost| {
        host.skipped.is_none()
            && matches!(
                host.state.as_str(),
                "waiting" | "ordered" | "silent" | "kept"
            )
    };
    let hosts = rollout.waves.iter().flat_map(|wave| &wave.hosts);
    let hosts = hosts.filter(may_be).take(MOST_SUGGESTED);
    let id = rollout.id;
    Action {
        label: "Skip a host",
        to: format!("{}/skip-host", path(id)),
        fields: html! {
            p { "The host is not ordered to begin, and nobody waits for it. What it has begun it finishes. It keeps what it has "
                "until it is taken in again, or until the next rollout." }
            label { span { "Host" }
                input type="text" name="host" list="may-be-skipped" required maxlength="253" autocomplete="off"; }
            datalist #may-be-skipped { @for host in hosts { option value=(host.name) {} } }
            (text("why", "Why, for everybody who looks at the rollout", "", true))
        },
        twin: format!("lockstep rollout skip-host {id} HOST --why WHY"),
        ..Action::default()
    }
    .draw(frame)
}

/// Who is left out, by whom and why, each with a form that takes it in again.
pub(super) fn skipped(frame: &Frame<'_>, rollout: &RolloutView) -> Markup {
    let hosts = rollout.waves.iter().flat_map(|wave| &wave.hosts);
    let left_out: Vec<(&WaveHost, &SkippedHost)> = hosts
        .filter_map(|host| Some((host, host.skipped.as_ref()?)))
        .collect();
    let ends = matches!(
        rollout.state,
        RolloutState::Planned | RolloutState::Running | RolloutState::Holding | RolloutState::Done
    );
    html! {
        div #skipped-hosts data-live {
            @if !left_out.is_empty() {
                section .skipped aria-labelledby="skipped-title" {
                    h2 #skipped-title { "Left out" }
                    ul { @for (host, skipped) in left_out {
                        li {
                            (link::host(&host.name)) ", by " (skipped.by) " " (when(frame, skipped.since)) ": " (skipped.why)
                            @if host.state != "skipped" && host.state != "gone" { ". It is " (host.state) " all the same" }
                            @if ends { " " (take_in(frame, rollout, host)) }
                        }
                    } }
                }
            }
        }
    }
}

fn take_in(frame: &Frame<'_>, rollout: &RolloutView, host: &WaveHost) -> Markup {
    let id = rollout.id;
    Action {
        label: "Take in again",
        to: format!("{}/unskip-host", path(id)),
        hidden: vec![("host", host.name.to_string())],
        twin: format!(
            "lockstep rollout unskip-host {id} {}",
            word(host.name.as_str())
        ),
        ..Action::default()
    }
    .draw(frame)
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Role, WaveState};

    use super::*;
    use crate::frame::tests::with_frame;
    use crate::rollouts::tests::{rollout, wave};

    fn some(state: RolloutState) -> RolloutView {
        let mut wave = wave(
            1,
            WaveState::Open,
            &["waiting", "skipped", "running", "silent"],
        );
        wave.hosts[1].skipped = Some(SkippedHost {
            by: "ann".into(),
            why: "its <disk>".into(),
            since: "2026-11-22T11:30:00Z".parse().unwrap(),
            told: false,
        });
        rollout(state, vec![wave])
    }

    #[test]
    fn hosts_that_can_be_left_out_are_suggested() {
        let rollout = some(RolloutState::Running);
        let form = with_frame(Role::Operator, |frame| skip(frame, &rollout).0);
        assert!(form.contains(r#"action="/rollouts/7/skip-host""#));
        assert!(form.contains("lockstep rollout skip-host 7 HOST --why WHY"));
        for (host, is_there) in [
            ("w1-0", true),
            ("w1-1", false),
            ("w1-2", false),
            ("w1-3", true),
        ] {
            let option = format!(r#"<option value="{host}">"#);
            assert_eq!(form.contains(&option), is_there, "{host}");
        }
        let viewer = with_frame(Role::Viewer, |frame| skip(frame, &rollout).0);
        assert_eq!(viewer, "");
        let over = some(RolloutState::Halted);
        assert_eq!(with_frame(Role::Admin, |frame| skip(frame, &over).0), "");
    }

    #[test]
    fn who_is_left_out_is_listed_with_the_way_back() {
        let list = |role, state| {
            let rollout = some(state);
            with_frame(role, |frame| skipped(frame, &rollout).0)
        };
        let said = list(Role::Operator, RolloutState::Done);
        assert!(
            said.contains("by ann") && said.contains("its &lt;disk&gt;"),
            "{said}"
        );
        assert!(said.contains("lockstep rollout unskip-host 7 w1-1"));
        assert!(said.contains(r#"name="host" value="w1-1""#));
        assert_eq!(said.matches("<li>").count(), 1);
        assert!(!list(Role::Viewer, RolloutState::Done).contains("<form"));
        assert!(!list(Role::Operator, RolloutState::Halted).contains("<form"));
    }
}
