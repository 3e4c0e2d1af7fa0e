//! Work files: those of an existing installation, or what the fleet file says, in the lines that dmon's manual shows.

use std::path::Path;
use std::time::UNIX_EPOCH;

use lockstep_model::{HostName, Work};
use tokio::io::AsyncReadExt as _;

use crate::seams::Hosts;

/// Largest work file that is handed out, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// A work file. The time is its version: a client whose file has another one fetches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkFile {
    pub(super) text: String,
    /// Seconds since 1970.
    pub(super) changed_at: i64,
}

/// The work file of a host: `DIR/KIND/HOST.txt` if it is there, else for clients what the fleet file says.
///
/// # Errors
/// In words, where there is none.
pub(super) async fn find<D: Hosts>(
    desk: &D,
    dir: Option<&Path>,
    kind: &str,
    host: &HostName,
) -> Result<WorkFile, String> {
    if let Some(dir) = dir {
        // The kind is one of three words and the name a host's, so the path stays below the directory.
        let path = dir.join(kind).join(format!("{host}.txt"));
        match read(&path).await {
            Ok(Some(file)) => return Ok(file),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a work file cannot be read");
                return Err(format!("the {kind} work file of {host} cannot be read"));
            }
        }
    }
    if kind != "client" {
        return Err(format!(
            "there is no {kind} work file of {host}: it comes from the directory that gateway.dmon.works names"
        ));
    }
    let work = desk
        .work(host)
        .await
        .map_err(|trouble| trouble.to_string())?;
    let (work, changed_at) = work.ok_or_else(|| format!("the fleet file does not know {host}"))?;
    Ok(WorkFile {
        text: render(host, &work),
        changed_at: changed_at.as_second(),
    })
}

async fn read(path: &Path) -> std::io::Result<Option<WorkFile>> {
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata().await?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).await?;
    if text.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!(
            "it is larger than {LARGEST} bytes"
        )));
    }
    let changed = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Some(WorkFile {
        text,
        changed_at: i64::try_from(changed.as_secs()).unwrap_or(i64::MAX),
    }))
}

/// A work document in dmon's lines: `fit_level WORD`, `host NAME TAG`, `get TAG ITEM…`.
fn render(host: &HostName, work: &Work) -> String {
    let mut text = String::from("# from the fleet file\n");
    for name in work.levels.all() {
        text.push_str(&format!("fit_level {name}\n"));
    }
    let own = (host, &work.items);
    let watched = work.watched.iter().map(|it| (&it.host, &it.items));
    for (place, (host, items)) in std::iter::once(own).chain(watched).enumerate() {
        let tag = format!("h{place}");
        text.push_str(&format!("host {host} {tag}\n"));
        // In dmon's file a blank ends an item's name.
        let asked = items
            .iter()
            .filter(|it| !it.is_rule)
            .map(|it| it.name.as_str());
        for item in asked.filter(|name| !name.contains(char::is_whitespace)) {
            text.push_str(&format!("get {tag} {item}\n"));
        }
    }
    text
}

/// When a host's work file was changed; none where it has none.
pub(super) async fn changed_at<D: Hosts>(
    desk: &D,
    dir: Option<&Path>,
    host: &HostName,
) -> Option<i64> {
    find(desk, dir, "client", host)
        .await
        .ok()
        .map(|file| file.changed_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_document_is_written_in_dmons_lines() {
        let host = HostName::parse("web1").unwrap();
        let mut work = Work::default();
        work.items.truncate(2);
        assert_eq!(
            render(&host, &work),
            "# from the fleet file\nfit_level fine\nfit_level soso\nfit_level sick\nfit_level critical\nfit_level dead\n\
             host web1 h0\nget h0 agent_memory\nget h0 clock_offset\n"
        );
    }

    #[tokio::test]
    async fn a_file_has_the_time_of_its_last_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.txt");
        assert_eq!(read(&path).await.unwrap(), None);
        let file = std::fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut &file, b"host web1 a\n").unwrap();
        let at = UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        file.set_modified(at).unwrap();
        let read = read(&path).await.unwrap().unwrap();
        assert_eq!(
            (read.text.as_str(), read.changed_at),
            ("host web1 a\n", 1_700_000_000)
        );
    }
}
