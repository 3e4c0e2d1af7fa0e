//! What is not well, who is on it, and what explains it.

use jiff::Timestamp;
use lockstep_model::LevelNames;
use lockstep_model::alert::Silence;
use lockstep_model::api::operator::{ProblemView, SilenceView};
use lockstep_plan::alert::{Facts, Holds};

use super::situation::{Roster, Situation};
use crate::app::App;
use crate::web::Refusal;

/// All problems, worst and newest first.
pub(crate) async fn list(app: &App, now: Timestamp) -> Result<Vec<ProblemView>, Refusal> {
    let situation = Situation::read(app, now).await?;
    let roster = Roster::of(&situation);
    let facts = situation.facts(app, &roster, now);
    let holds = Holds::of(&facts);
    let mut views: Vec<ProblemView> = situation
        .troubles
        .iter()
        .map(|trouble| {
            let held = holds.on(trouble, &roster);
            ProblemView {
                trouble: trouble.clone(),
                ack: held.ack.cloned(),
                silence: held.silence.map(words),
                depends_on: held.depends_on,
                changes: roster.changes(&trouble.host).to_vec(),
            }
        })
        .collect();
    views.sort_by(|a, b| {
        let key =
            |view: &ProblemView| (view.is_unhandled(), view.trouble.level, view.trouble.since);
        key(b).cmp(&key(a))
    });
    Ok(views)
}

/// The silences in force and to come, with what they hold back.
pub(crate) async fn silences(app: &App, now: Timestamp) -> Result<Vec<SilenceView>, Refusal> {
    let situation = Situation::read(app, now).await?;
    let roster = Roster::of(&situation);
    let facts = situation.facts(app, &roster, now);
    let views = situation.silences.iter().map(|silence| {
        let alone = std::slice::from_ref(silence);
        let alone = Facts {
            silences: alone,
            ..facts
        };
        let holds = Holds::of(&alone);
        let held = situation
            .troubles
            .iter()
            .filter(|trouble| holds.on(trouble, &roster).silence.is_some());
        SilenceView {
            silence: silence.clone(),
            holds_back: held.count() as u64,
        }
    });
    Ok(views.collect())
}

/// The names of the levels in force.
pub(crate) fn levels(app: &App) -> LevelNames {
    app.fleet
        .accepted()
        .map(|accepted| accepted.rules.levels.clone())
        .unwrap_or_default()
}

fn words(silence: &Silence) -> String {
    format!("{} until {:.0}", silence.reason, silence.ends_at)
}
