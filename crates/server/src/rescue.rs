//! The way back in for whoever owns the server's machine, when nobody can sign in any more.
//!
//! It needs what the server itself needs: the data directory and the database, so it gives nobody more than he has.

use std::path::PathBuf;

use lockstep_model::Role;
use lockstep_net::Clock;
use lockstep_store::Store;

use crate::config::ServerConfig;
use crate::data_dir::{self, DataDir};
use crate::services::audit::RESCUED;
use crate::{Error, first_start};

/// Gives the first user, `admin`, a new password and the role of an admin; it is made again if it was removed. Its sessions
/// end. Returns the file with the password.
///
/// # Errors
/// When a server runs on the data directory, or the database cannot be used.
pub async fn rescue(config: &ServerConfig, clock: &Clock) -> Result<PathBuf, Error> {
    let data = DataDir::take(&config.data)?;
    let doing = "giving the first user a new password";
    let store = Store::open(&config.database_url())
        .await
        .map_err(Error::database("opening it"))?;
    let now = clock.now();
    // What stands there is thrown away: somebody may have read it.
    data_dir::remove(&data.password_file())?;
    let admin = first_start::first_user(&data, &store, now).await?;
    let set = store.set_role(&admin, Role::Admin).await;
    set.map_err(Error::database(doing))?;
    let noted = store.record_audit(admin.as_str(), RESCUED, now).await;
    noted.map_err(Error::database(doing))?;
    store.close().await;
    Ok(data.password_file())
}
