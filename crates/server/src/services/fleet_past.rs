//! Fleet files that were in force before: who brought them, what they said, and what is another now.

use std::collections::BTreeSet;
use std::time::Duration;

use lockstep_model::api::operator::{
    FileCompared, FleetCompared, FleetText, FleetVersion, FleetVersionText,
};
use lockstep_store::FleetRow;
use similar::TextDiff;

use crate::app::App;
use crate::web::Refusal;

/// Lines around each difference.
const AROUND: usize = 3;
/// Looking for a short difference takes no longer than this for each file; then it is a longer one.
const LONGEST: Duration = Duration::from_secs(2);

/// Those that are kept, newest first.
pub(crate) async fn list(app: &App) -> Result<Vec<FleetVersion>, Refusal> {
    let rows = app.store.fleet_versions().await?;
    Ok(rows.iter().map(version).collect())
}

/// One of them, with its text.
pub(crate) async fn one(app: &App, number: u64) -> Result<FleetVersionText, Refusal> {
    let row = read(app, number).await?;
    Ok(FleetVersionText {
        version: version(&row),
        files: row.files,
    })
}

/// What of the text is another.
pub(crate) async fn compare(app: &App, before: u64, after: u64) -> Result<FleetCompared, Refusal> {
    let (old, new) = (read(app, before).await?, read(app, after).await?);
    let files = tokio::task::spawn_blocking(move || differences(&old.files, &new.files));
    let files = files
        .await
        .map_err(|error| Refusal::internal("comparing fleet files", &error))?;
    Ok(FleetCompared {
        before,
        after,
        files,
    })
}

async fn read(app: &App, number: u64) -> Result<FleetRow, Refusal> {
    let row = app.store.fleet_version(number).await?;
    row.ok_or_else(|| {
        Refusal::not_found(format!(
            "there is no fleet file {number}, or it is not kept any more: the last fifty are"
        ))
    })
}

fn version(row: &FleetRow) -> FleetVersion {
    FleetVersion {
        version: row.version,
        accepted_at: row.accepted_at,
        accepted_by: row.accepted_by.clone(),
        hash: row.hash,
    }
}

/// The files that are not the same; one that is missing on a side is empty there.
fn differences(old: &[FleetText], new: &[FleetText]) -> Vec<FileCompared> {
    let names: BTreeSet<&str> = old.iter().chain(new).map(|it| it.name.as_str()).collect();
    let text = |files: &[FleetText], name: &str| {
        let found = files.iter().find(|it| it.name == name);
        found.map(|it| it.text.clone()).unwrap_or_default()
    };
    let compared = names.into_iter().filter_map(|name| {
        let (old, new) = (text(old, name), text(new, name));
        (old != new).then(|| FileCompared {
            name: name.to_owned(),
            diff: TextDiff::configure()
                .timeout(LONGEST)
                .diff_lines(&old, &new)
                .unified_diff()
                .context_radius(AROUND)
                .to_string(),
        })
    });
    compared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> FleetText {
        FleetText {
            name: name.into(),
            text: text.into(),
        }
    }

    #[test]
    fn what_came_went_and_changed_is_told_file_by_file() {
        let same = file("fleet.toml", "a\n");
        let old = [same.clone(), file("x", "1\n2\n3\n"), file("gone", "g\n")];
        let new = [same, file("x", "1\n2b\n3\n"), file("came", "c\n")];
        let found = differences(&old, &new);
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["came", "gone", "x"]);
        assert_eq!(found[2].diff, "@@ -1,3 +1,3 @@\n 1\n-2\n+2b\n 3\n");
        assert!(found[0].diff.ends_with("+c\n") && found[1].diff.ends_with("-g\n"));
    }
}
