//! What can be said to a rollout, as its state allows.

use lockstep_model::api::operator::RolloutView;
use lockstep_model::{RolloutState, WaveState};
use maud::{Markup, html};

use super::skipped::skip;
use crate::Frame;
use crate::parts::action::Action;
use crate::rollouts::{path, twin};

/// A command for a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Pause,
    Resume,
    SkipWave,
    Halt,
    Rollback,
}

impl Verb {
    const ALL: [Self; 5] = [
        Self::Pause,
        Self::Resume,
        Self::SkipWave,
        Self::Halt,
        Self::Rollback,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::SkipWave => "skip-wave",
            Self::Halt => "halt",
            Self::Rollback => "rollback",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Pause => "Pause",
            Self::Resume => "Resume",
            Self::SkipWave => "Skip wave",
            Self::Halt => "Halt",
            Self::Rollback => "Roll back",
        }
    }

    /// True if the server would do it now, by the conditions of `plan::rollout`'s commands. The server looks again.
    fn is_possible(self, rollout: &RolloutView) -> bool {
        let state = rollout.state;
        let moves = matches!(state, RolloutState::Running | RolloutState::Holding);
        let is_paused = rollout.paused_by.is_some();
        match self {
            Self::Pause => !is_paused && (moves || state == RolloutState::Planned),
            Self::Resume => is_paused,
            Self::SkipWave => {
                let newest = rollout
                    .waves
                    .iter()
                    .rfind(|wave| wave.state != WaveState::Waiting);
                moves && !is_paused && newest.is_some_and(|wave| wave.skipped_by.is_none())
            }
            Self::Halt => moves || state == RolloutState::Planned,
            Self::Rollback => {
                !state.is_over() && state != RolloutState::RollingBack && rollout.from.is_some()
            }
        }
    }

    /// What will happen, of what cannot be taken back.
    fn warning(self, rollout: &RolloutView) -> Option<String> {
        let (version, let_go) = (&rollout.version, let_go(rollout));
        match self {
            Self::Pause | Self::Resume => None,
            Self::SkipWave => Some(format!(
                "{} Hosts of this wave that are silent, worse or not done do not hold the rollout up any more, and its bake \
                 time is not waited for.",
                match rollout
                    .waves
                    .last()
                    .is_some_and(|last| last.state != WaveState::Waiting)
                {
                    true => "This is the last wave: the rollout is done at once.",
                    false => "The next wave opens at once.",
                }
            )),
            Self::Halt => Some(format!(
                "The rollout ends here. Nobody else is let go. Of the {let_go} hosts that were, those that have proven \
                 {version} keep it; the others go back. It cannot be resumed: promote the version again."
            )),
            Self::Rollback => {
                let from = rollout.from.as_ref()?;
                Some(format!(
                    "The rollout ends here, and all of the {let_go} hosts that were let go go back to {from}, those that \
                     have proven {version} too. It cannot be resumed: promote the version again."
                ))
            }
        }
    }
}

fn let_go(rollout: &RolloutView) -> usize {
    rollout.waves.iter().map(|wave| wave.figures.let_go).sum()
}

/// The forms.
pub(super) fn actions(frame: &Frame<'_>, rollout: &RolloutView) -> Markup {
    let possible = Verb::ALL
        .into_iter()
        .filter(|verb| verb.is_possible(rollout));
    let drawn = possible.map(|verb| {
        Action {
            label: verb.label(),
            to: format!("{}/{}", path(rollout.id), verb.as_str()),
            twin: twin(verb.as_str(), rollout.id),
            warning: verb.warning(rollout),
            ..Action::default()
        }
        .draw(frame)
    });
    html! { div .actions #actions data-live { @for action in drawn { (action) } (skip(frame, rollout)) } }
}

#[cfg(test)]
mod tests {
    use lockstep_model::Role;

    use super::*;
    use crate::frame::tests::with_frame;
    use crate::rollouts::tests::{rollout, wave};

    fn possible(rollout: &RolloutView) -> Vec<&'static str> {
        let all = Verb::ALL.into_iter();
        all.filter(|verb| verb.is_possible(rollout))
            .map(Verb::as_str)
            .collect()
    }

    fn in_state(state: RolloutState) -> RolloutView {
        rollout(state, vec![wave(1, WaveState::Open, &["running"])])
    }

    #[test]
    fn what_is_offered_follows_the_state() {
        let running = in_state(RolloutState::Running);
        assert_eq!(
            possible(&running),
            ["pause", "skip-wave", "halt", "rollback"]
        );
        let paused = RolloutView {
            paused_by: Some("ann".into()),
            ..in_state(RolloutState::Holding)
        };
        assert_eq!(possible(&paused), ["resume", "halt", "rollback"]);
        assert_eq!(possible(&in_state(RolloutState::Halted)), ["rollback"]);
        for over in [
            RolloutState::Done,
            RolloutState::Cancelled,
            RolloutState::RollingBack,
        ] {
            assert_eq!(possible(&in_state(over)), [""; 0], "{over}");
        }
        let first = RolloutView {
            from: None,
            ..rollout(RolloutState::Planned, Vec::new())
        };
        assert_eq!(possible(&first), ["pause", "halt"]);
    }

    #[test]
    fn what_cannot_be_undone_says_what_will_happen() {
        let rollout = in_state(RolloutState::Running);
        let forms = with_frame(Role::Operator, |frame| actions(frame, &rollout).0);
        assert_eq!(
            forms.matches("<details").count(),
            4,
            "and one that asks for a host"
        );
        assert!(forms.contains("go back to 1.4.1"));
        assert!(forms.contains("the rollout is done at once"));
        for verb in ["pause", "skip-wave", "halt", "rollback"] {
            assert!(forms.contains(&format!(r#"action="/rollouts/7/{verb}""#)));
            assert!(forms.contains(&format!("lockstep rollout {verb} 7")));
        }
        let none = with_frame(Role::Viewer, |frame| actions(frame, &rollout).0);
        assert!(!none.contains("<form"));
    }
}
