//! Who signed the repository's metadata in force, and until when it is valid.
//!
//! It says what stands in the files. That the signatures are good was checked before the files were stored, and each host
//! checks it again.

use lockstep_pages::releases::Signed;
use lockstep_trust::{Role, stated};
use serde::Deserialize;

use crate::app::App;
use crate::web::Refusal;

/// Signatures of one file that are named.
const MOST: usize = 32;

/// What of a file matters here (The Update Framework 1.0.31, section 4.2.1).
#[derive(Debug, Deserialize)]
struct File {
    signatures: Vec<Signature>,
}

#[derive(Debug, Deserialize)]
struct Signature {
    keyid: String,
}

/// The metadata in force, in the order of who says who may sign; those that are not there yet are left out.
pub(crate) async fn list(app: &App) -> Result<Vec<Signed>, Refusal> {
    let mut found = Vec::new();
    for role in [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp] {
        let Some(file) = app.store.repo_file(&format!("{role}.json")).await? else {
            continue;
        };
        match read(role, &file) {
            Ok(signed) => found.push(signed),
            Err(why) => {
                // It was checked before it was stored.
                tracing::error!(%role, why, "stored metadata cannot be read");
                let error = std::io::Error::other(why);
                return Err(Refusal::internal(
                    "reading the repository's metadata",
                    &error,
                ));
            }
        }
    }
    Ok(found)
}

fn read(role: Role, file: &str) -> Result<Signed, String> {
    let said = stated(role, file.as_bytes()).map_err(|error| error.to_string())?;
    let signed: File = serde_json::from_str(file).map_err(|error| error.to_string())?;
    let keys = signed.signatures.into_iter().map(|it| it.keyid);
    Ok(Signed {
        role: role.to_string(),
        version: said.version,
        expires: said.expires,
        keys: keys.take(MOST).collect(),
    })
}
