//! Settings that hold for all servers over one database.

use jiff::Timestamp;
use lockstep_model::api::Updates;

use crate::app::App;
use crate::hints::Hint;
use crate::web::Refusal;

/// The setting's name in the store.
const UPDATES: &str = "updates";
const OFF: &str = "off";
const ON: &str = "on";

/// Whether hosts may update: neither this server's configuration nor the fleet-wide switch says no.
pub(crate) async fn updates(app: &App) -> Result<Updates, lockstep_store::Error> {
    if !app.config.updates {
        return Ok(Updates::Off);
    }
    fleet_updates(app).await
}

/// The fleet-wide switch.
pub(crate) async fn fleet_updates(app: &App) -> Result<Updates, lockstep_store::Error> {
    let setting = app.store.setting(UPDATES).await?;
    Ok(match setting.as_deref() {
        Some(OFF) => Updates::Off,
        _ => Updates::On,
    })
}

/// Turns the fleet-wide switch.
pub(crate) async fn set_updates(
    app: &App,
    updates: Updates,
    who: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let value = match updates {
        Updates::On => ON,
        Updates::Off => OFF,
    };
    app.store.set_setting(UPDATES, value).await?;
    app.standing.forget();
    super::audit::note(
        app,
        who,
        &format!("switched updates {value} for all servers"),
        now,
    )
    .await;
    if updates == Updates::On {
        let hosts = app.store.count_hosts().await?;
        app.hints.give(Hint::ReportAll { hosts });
    }
    Ok(())
}
