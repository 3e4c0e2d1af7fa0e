//! How the server stands.

use jiff::Timestamp;
use lockstep_model::api::operator::{MovingRollout, ServerStatus};
use lockstep_model::{Level, Role};

use super::{health, lock_views, problems, rollouts, settings};
use crate::app::App;
use crate::web::Refusal;

/// The figures of now, for somebody with this role.
pub(crate) async fn of(app: &App, role: Role, now: Timestamp) -> Result<ServerStatus, Refusal> {
    let board = app.boards.read(app).await?;
    // Hosts without an agent are no hosts of their own here.
    let enrolled = board.hosts.iter().filter(|it| it.view.via.is_none());
    let silent = enrolled.clone().filter(|it| it.silent);
    let (strip, names) = (&board.strip, problems::levels(app));
    let rollouts = strip.rollouts.iter().map(|chip| MovingRollout {
        id: chip.id,
        package: chip.package.clone(),
        version: chip.version.clone(),
        state: chip.state,
    });
    Ok(ServerStatus {
        version: app.version.clone(),
        now,
        database: app.config.database_url().kind().into(),
        hosts: enrolled.count() as u64,
        silent: silent.count() as u64,
        active_rollouts: rollouts::count_active(app).await?,
        updates: settings::updates(app).await?,
        targets_version: app.store.targets_version().await?,
        stopped_runs: app.store.count_stopped_runs().await?,
        locks_held: lock_views::count_held(app).await?,
        fleet_refused: refused(app, role),
        levels: Level::ALL
            .into_iter()
            .zip(strip.levels)
            .map(|(level, count)| (names.name(level).to_owned(), count as u64))
            .collect(),
        unhandled: strip.unhandled as u64,
        in_change: strip.in_change as u64,
        rollouts: rollouts.collect(),
        health: app.health.read(app, now).await?.to_vec(),
        backup_at: health::backup_at(app).await?,
    })
}

/// The mistakes of the newest fleet file. They repeat its lines, which operators alone may read.
pub(crate) fn refused(app: &App, role: Role) -> Vec<String> {
    let refused = app.fleet.refused();
    if role >= Role::Operator || refused.is_empty() {
        return refused;
    }
    let mistakes = match refused.len() {
        1 => "a mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    vec![format!(
        "the newest fleet file has {mistakes}, which operators can read"
    )]
}
