//! What `dnf` would update, by its own word, from what it has cached.
//!
//! `dnf -C check-update` takes seconds and much memory, so it is asked when its cache or the list of installed
//! packages has changed, and every six hours. The question goes on when the look that asked has ended; a later look
//! finds the answer.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_host::exec::Exec;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout_at};

use super::Pending;

/// The program, below the root.
pub(super) const PROGRAM: &str = "usr/bin/dnf";
/// What changes when packages are fetched or installed.
const WATCHED: [&str; 4] = [
    "var/cache/dnf",
    "var/cache/libdnf5",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
];
/// An answer counts for so long while nothing has changed.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(6);
/// It is not asked more often than this, whatever has changed, and not sooner after it failed.
const REST: SignedDuration = SignedDuration::from_mins(15);
/// It reads its cache in seconds; slow disks are given time.
const LONGEST: Duration = Duration::from_secs(120);
/// Most output, in bytes: a line for each of ten thousand packages.
const MOST_OUTPUT: usize = 1024 * 1024;
/// With updates it ends with this status.
const HAS_UPDATES: i32 = 100;

/// The newest answer.
#[derive(Debug, Default)]
pub(super) struct Survey {
    newest: Option<(Timestamp, Stamp, Result<Arc<Pending>, String>)>,
}

/// When each of [`WATCHED`] was changed.
pub(super) type Stamp = [Option<(i64, i64)>; WATCHED.len()];

impl Survey {
    /// The answer, if it counts.
    fn answer(&self, now: &Stamp, at: Timestamp) -> Option<Result<Arc<Pending>, String>> {
        let (then, before, answer) = self.newest.as_ref()?;
        let age = at.duration_since(*then).abs();
        let counts = age < REST || (age < COUNTS_FOR && answer.is_ok() && before == now);
        counts.then(|| answer.clone())
    }
}

/// What the files are like; none if there is no `dnf` here. Runs where it may wait.
pub(super) fn stamp(root: &Path) -> Option<Stamp> {
    root.join(PROGRAM).exists().then(|| changes(root))
}

fn changes(root: &Path) -> Stamp {
    WATCHED.map(|path| {
        let metadata = std::fs::metadata(root.join(path)).ok()?;
        Some((metadata.mtime(), metadata.mtime_nsec()))
    })
}

/// What could be updated, while the files are like this.
pub(super) async fn pending(
    survey: Arc<Mutex<Survey>>,
    root: &Path,
    stamp: Stamp,
    at: Timestamp,
    deadline: Instant,
) -> Result<Arc<Pending>, String> {
    let late = || "dnf is still being asked; its answer is seen at a later look".to_owned();
    let guard = match Arc::clone(&survey).try_lock_owned() {
        Ok(guard) => guard,
        // Somebody else is asking.
        Err(_) => timeout_at(deadline, survey.lock_owned())
            .await
            .map_err(|_| late())?,
    };
    if let Some(answer) = guard.answer(&stamp, at) {
        return answer;
    }
    let asking = tokio::spawn(ask(guard, root.to_owned(), at));
    match timeout_at(deadline, asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(format!("asking dnf ended without an answer: {error}")),
        Err(_) => Err(late()),
    }
}

/// Asks, and keeps the answer. It ends by itself, after twice [`LONGEST`] at the latest.
async fn ask(
    mut survey: OwnedMutexGuard<Survey>,
    root: PathBuf,
    at: Timestamp,
) -> Result<Arc<Pending>, String> {
    let asked = async {
        let all = check_update(&root, &[]).await?;
        let security = match all.is_empty() {
            true => BTreeSet::new(),
            false => check_update(&root, &["--security"]).await?,
        };
        Ok(Arc::new(Pending {
            packages: all.len(),
            security: security.into_iter().collect(),
        }))
    };
    let answer = asked.await;
    // It writes into its cache itself: what the files are like now is what the answer belongs to.
    let now = tokio::task::spawn_blocking(move || changes(&root))
        .await
        .map_err(|error| format!("the files of dnf cannot be looked at: {error}"))?;
    survey.newest = Some((at, now, answer.clone()));
    answer
}

/// The packages that `dnf check-update` names.
async fn check_update(root: &Path, options: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut exec = Exec::new(root.join(PROGRAM), LONGEST)
        .args(["-q", "-C", "check-update"])
        .args(options)
        .env("LC_ALL", "C");
    exec.output_cap = MOST_OUTPUT;
    let finished = exec
        .run()
        .await
        .map_err(|error| format!("dnf cannot be asked: {error}"))?;
    match finished.status.code() {
        Some(0 | HAS_UPDATES) if finished.succeeded() || !finished.timed_out => {
            Ok(parse(&finished.output))
        }
        _ => {
            let last = finished
                .output
                .lines()
                .rfind(|line| !line.trim().is_empty());
            let last: String = last.unwrap_or("no output").chars().take(300).collect();
            Err(format!(
                "dnf check-update failed ({}): {last}",
                finished.how()
            ))
        }
    }
}

/// Lines `name.architecture  version  repository`. A name that is too long for its column stands alone, with the rest
/// indented below. Warnings may stand in between, and a list of packages that replace others behind.
fn parse(output: &str) -> BTreeSet<String> {
    const ARCHITECTURES: [&str; 9] = [
        "noarch", "x86_64", "i686", "i386", "aarch64", "ppc64le", "s390x", "riscv64", "armv7hl",
    ];
    output
        .lines()
        .take_while(|line| !line.starts_with("Obsoleting"))
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let name = words.next()?;
            let (_, architecture) = name.rsplit_once('.')?;
            let is_package =
                ARCHITECTURES.contains(&architecture) && matches!(words.count(), 0 | 2);
            is_package.then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::find;
    use crate::system::world::{World, at};
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    const UPDATES: &str = "\
Failed to set locale, defaulting to C

kernel.x86_64                     5.14.0-503.el9                baseos
openssl-libs.x86_64               1:3.2.2-6.el9                 baseos
a-package-with-a-very-long-name-indeed.noarch
                                  1.2-3.el9                     appstream
Obsoleting Packages
old.x86_64                        1.0-1                         appstream
    older.x86_64                  0.9-1                         @System
";

    #[test]
    fn packages_are_told_from_everything_else() {
        let names: Vec<String> = parse(UPDATES).into_iter().collect();
        assert_eq!(
            names,
            [
                "a-package-with-a-very-long-name-indeed.noarch",
                "kernel.x86_64",
                "openssl-libs.x86_64"
            ]
        );
    }

    fn host(script: &str) -> World {
        let world = World::new();
        world.put(
            "usr/bin/dnf",
            &format!("#!/bin/sh\ncd '{}'\n{script}", world.root().display()),
        );
        let path = world.root().join("usr/bin/dnf");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        world.put("var/cache/dnf/x", "");
        world
    }

    #[tokio::test]
    async fn dnf_is_asked_once_for_all_items() {
        let world = host(
            "echo \"$*\" >> asked
            case \"$*\" in
            '-q -C check-update') printf 'a.noarch 1 r\\nb.x86_64 2 r\\n'; exit 100;;
            '-q -C check-update --security') printf 'b.x86_64 2 r\\n'; exit 100;;
            esac",
        );
        let asked = || {
            let text = std::fs::read_to_string(world.root().join("asked")).unwrap();
            text.lines().count()
        };
        let items = ["pending_updates", "security_updates", "patch_age"];
        let probes = items.map(|item| find(&world.order(item)).unwrap().unwrap());
        let look = async |second| {
            let mut values = Vec::new();
            for probe in &probes {
                let found = Arc::clone(probe).look(at(second)).await;
                values.push(found[0].value.to_string());
            }
            values
        };
        assert_eq!(look(0).await, ["2.00", "1.00", "0.0 s"]);
        assert_eq!(look(3600).await, ["2.00", "1.00", "3600.0 s"]);
        assert_eq!(asked(), 2);
        world.touch("var/cache/dnf", 5);
        look(7200).await;
        assert_eq!(asked(), 4);
        look(7200 + 6 * 3600).await;
        assert_eq!(asked(), 6);
    }

    #[tokio::test]
    async fn a_failure_is_told_and_not_repeated_at_once() {
        let world =
            host("echo x >> asked; echo 'Error: Cache-only enabled but no cache' >&2; exit 1");
        let probe = find(&world.order("pending_updates")).unwrap().unwrap();
        for second in [0, 60, 899] {
            let found = Arc::clone(&probe).look(at(second)).await;
            assert_eq!(
                found[0].value.to_string(),
                "none (dnf check-update failed (exit status: 1): Error: Cache-only enabled but no cache)"
            );
        }
        let asked = std::fs::read_to_string(world.root().join("asked")).unwrap();
        assert_eq!(asked, "x\n");
    }

    #[tokio::test]
    async fn an_answer_that_comes_late_is_kept() {
        let world = host("read x < go; exit 0");
        let fifo = world.root().join("go");
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let mut order = world.order("pending_updates");
        order.timeout = Duration::from_millis(50);
        let probe = find(&order).unwrap().unwrap();
        let early = Arc::clone(&probe).look(at(0)).await;
        assert!(early[0].value.to_string().contains("still being asked"));
        // Opening it waits for the other end, so it must not be done on the runtime.
        tokio::task::spawn_blocking(move || File::options().write(true).open(fifo).unwrap())
            .await
            .unwrap();
        let patient = find(&world.order("pending_updates")).unwrap().unwrap();
        let late = patient.look(at(60)).await;
        assert_eq!(late[0].value.to_string(), "0.00");
    }

    use std::fs::File;

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(a\\.x86_64|Obsoleting|\\PC|[ \n]){0,60}") {
            parse(&text);
        }
    }
}
