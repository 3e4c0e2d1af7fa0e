//! Fleet files that were in force before: who brought them, what they said, and what is another now.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lockstep_model::api::operator::{
    FileCompared, FleetCompared, FleetText, FleetVersion, FleetVersionText,
};
use lockstep_store::FleetRow;
use similar::TextDiff;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::app::App;
use crate::web::Refusal;

/// Lines around each difference.
const AROUND: usize = 3;
/// Looking for short differences takes no longer than this for all files; then they are longer ones.
const LONGEST: Duration = Duration::from_secs(2);
/// Comparing goes on when nobody waits for it any more, and takes a processor: one at a time.
static COMPARING: Semaphore = Semaphore::const_new(1);
/// A comparison waits no longer than this for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

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
    let busy = || {
        let wait = Duration::from_millis(fastrand::u64(1_000..5_000));
        Refusal::busy("other fleet files are being compared; try again", wait)
    };
    let turn = timeout(LONGEST_WAIT, COMPARING.acquire()).await;
    let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
    let (old, new) = (read(app, before).await?, read(app, after).await?);
    let files = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        differences(&old.files, &new.files, Instant::now() + LONGEST)
    });
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

/// The files that are not the same; one that is missing on a side is empty there. Short differences are looked for
/// until `deadline`.
fn differences(old: &[FleetText], new: &[FleetText], deadline: Instant) -> Vec<FileCompared> {
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
                .deadline(deadline)
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
        let found = differences(&old, &new, Instant::now() + LONGEST);
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["came", "gone", "x"]);
        assert_eq!(found[2].diff, "@@ -1,3 +1,3 @@\n 1\n-2\n+2b\n 3\n");
        assert!(found[0].diff.ends_with("+c\n") && found[1].diff.ends_with("-g\n"));
    }
    #[test]
    fn past_the_deadline_every_file_is_still_told_whole() {
        let text = |of: char| {
            let lines = (0..2_000).map(|line| match line % 3 {
                0 => format!("{}\n", line % 7),
                _ => format!("{of}{line}\n"),
            });
            lines.collect::<String>()
        };
        let all = |of| ["x", "y", "z"].map(|name| file(name, &text(of)));
        let found = differences(&all('a'), &all('b'), Instant::now());
        assert_eq!(found.len(), 3);
        for it in found {
            let came = it.diff.lines().filter(|line| line.starts_with("+b"));
            assert_eq!(came.count(), 1_333, "{}", it.name);
        }
    }
}
