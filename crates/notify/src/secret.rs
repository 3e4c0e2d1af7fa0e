//! Secrets in files.

use std::path::{Path, PathBuf};

use crate::Failed;

/// Largest file with a secret, in bytes.
const MAX_SECRET: u64 = 16 * 1024;
/// Largest file with authorities, in bytes: a whole system's fit.
const MAX_AUTHORITIES: u64 = 4 * 1024 * 1024;

/// The secret in a file, without white space around it. Until it can be read, messages wait.
pub(crate) async fn secret(what: &'static str, path: &Path) -> Result<String, Failed> {
    let text = read(what, path, MAX_SECRET).await?;
    let text = text.trim();
    if text.is_empty() {
        let path = path.display();
        return Err(Failed::for_now(format!("{what} in {path} is empty")));
    }
    Ok(text.to_owned())
}

/// Authorities in PEM.
pub(crate) async fn authorities(path: &Path) -> Result<String, Failed> {
    read("the authorities", path, MAX_AUTHORITIES).await
}

async fn read(what: &'static str, path: &Path, max: u64) -> Result<String, Failed> {
    let owned: PathBuf = path.into();
    let shown = path.display();
    let failed = |why: &dyn std::fmt::Display| {
        Failed::for_now(format!("cannot read {what} in {shown}: {why}"))
    };
    let read =
        tokio::task::spawn_blocking(move || lockstep_host::fs::read_capped(&owned, max)).await;
    let bytes = read
        .map_err(|error| failed(&error))?
        .map_err(|error| match std::error::Error::source(&error) {
            Some(source) => failed(&source),
            None => failed(&error),
        })?
        .ok_or_else(|| failed(&"there is no such file"))?;
    String::from_utf8(bytes).map_err(|_| failed(&"it is not UTF-8"))
}
