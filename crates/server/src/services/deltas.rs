//! Deltas, as the signed list in force names them.
//!
//! The list itself is where they stand: it is read again when another one was published, which each call finds out by
//! one row of the database.

use std::sync::{Arc, Mutex, PoisonError};

use lockstep_model::Delta;
use lockstep_trust::{consistent_delta_path, releases_of};

use crate::app::App;

/// The deltas of the list in force, read when they are needed.
#[derive(Debug, Default)]
pub(crate) struct Deltas(Mutex<Option<Read>>);

/// What one version of the list names.
#[derive(Debug, Clone)]
struct Read {
    version: u64,
    deltas: Arc<Vec<Delta>>,
}

impl Deltas {
    /// All deltas that are listed, in the order of their paths.
    pub(crate) async fn listed(&self, app: &App) -> Result<Arc<Vec<Delta>>, lockstep_store::Error> {
        let Some(version) = app.store.targets_version().await? else {
            return Ok(Arc::default());
        };
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(known.deltas);
        }
        let Some(list) = app.store.repo_file("targets.json").await? else {
            return Ok(Arc::default());
        };
        let content = match releases_of(list.as_bytes()) {
            Ok(content) => content,
            Err(error) => {
                // It was checked before it was stored. Hosts take whole bundles.
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the deltas of the published list cannot be read");
                return Ok(Arc::default());
            }
        };
        let read = Read {
            version: content.version,
            deltas: Arc::new(content.deltas),
        };
        let deltas = Arc::clone(&read.deltas);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(deltas)
    }

    /// The delta that is fetched from this path below `targets/`.
    pub(crate) async fn target(
        &self,
        app: &App,
        path: &str,
    ) -> Result<Option<Delta>, lockstep_store::Error> {
        let deltas = self.listed(app).await?;
        let mut deltas = deltas.iter();
        Ok(deltas
            .find(|delta| consistent_delta_path(delta) == path)
            .cloned())
    }
}
