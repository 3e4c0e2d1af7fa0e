//! How the server itself stands: its database, who decides, messages that did not arrive, the disk, the last backup.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::HealthPart;
use lockstep_model::{Interval, Level};
use lockstep_store::LeaseHolder;

use super::fresh::Fresh;
use crate::app::App;
use crate::decider;

/// The setting's name in the store: when the last backup was made, in UTC.
pub(crate) const BACKUP: &str = "backup_made_at";
/// A database that answers a word more slowly than this is slow.
const SLOW: Duration = Duration::from_millis(500);
/// So long nobody may decide before it is told: a server that takes over needs the rest of a lease.
const UNDECIDED: SignedDuration = SignedDuration::from_secs(60);
/// Messages count that were made since then.
const MESSAGES: SignedDuration = SignedDuration::from_hours(24);
/// With less space than this there is hardly room for a bundle, in bytes.
const LITTLE: u64 = 1024 * 1024 * 1024;
/// With less than this the database itself is about to stop, in bytes.
const HARDLY_ANY: u64 = 128 * 1024 * 1024;

/// How the server stands, read at most once a second.
#[derive(Debug, Default)]
pub(crate) struct HealthNow(Fresh<Vec<HealthPart>>);

/// What it is judged by.
#[derive(Debug, Clone)]
struct Facts {
    /// How long the database took for a word.
    took: Duration,
    lease: Option<LeaseHolder>,
    /// True if this server has the lease.
    is_own: bool,
    /// Messages of the last day that were given up.
    failed: u64,
    /// Bytes that are free in the data directory; none if that is not known.
    free: Option<u64>,
    backup: Option<Timestamp>,
    /// How old a backup may be; none if nobody wants one.
    backup_age: Option<Interval>,
}

impl HealthNow {
    /// Each part, the database first.
    pub(crate) async fn read(
        &self,
        app: &App,
        now: Timestamp,
    ) -> Result<Arc<Vec<HealthPart>>, lockstep_store::Error> {
        let read = async { Ok(judge(&facts(app, now).await?, now)) };
        self.0.read(now, read).await
    }
}

/// When the last backup was made, as far as the store knows.
pub(crate) async fn backup_at(app: &App) -> Result<Option<Timestamp>, lockstep_store::Error> {
    let noted = app.store.setting(BACKUP).await?;
    Ok(noted.and_then(|at| at.parse().ok()))
}

async fn facts(app: &App, now: Timestamp) -> Result<Facts, lockstep_store::Error> {
    let begun = std::time::Instant::now();
    app.store.ping().await?;
    let took = begun.elapsed();
    let lease = app.store.lease_holder(decider::LEASE).await?;
    let data = app.config.data.clone();
    let free = tokio::task::spawn_blocking(move || lockstep_host::fs::free_bytes(&data).ok());
    let since = now.checked_sub(MESSAGES).unwrap_or(Timestamp::MIN);
    Ok(Facts {
        took,
        is_own: lease.as_ref().is_some_and(|it| app.decider.is(&it.holder)),
        lease,
        failed: app.store.count_failed_deliveries(since).await?,
        free: free.await.ok().flatten(),
        backup: backup_at(app).await?,
        backup_age: app
            .config
            .backup
            .warn
            .then_some(app.config.backup.warn_after),
    })
}

fn judge(facts: &Facts, now: Timestamp) -> Vec<HealthPart> {
    let mut parts = Vec::new();
    let mut say = |part: &str, (level, words): (Level, String)| {
        parts.push(HealthPart {
            part: part.into(),
            level,
            words,
        });
    };
    say("database", database(facts.took));
    say("decider", decides(facts, now));
    say("messages", messages(facts.failed));
    if let Some(free) = facts.free {
        say("disk", disk(free));
    }
    if let Some(age) = facts.backup_age {
        say("backup", backup(facts.backup, age, now));
    }
    parts
}

fn database(took: Duration) -> (Level, String) {
    let took_ms = took.as_millis();
    match took >= SLOW {
        true => (
            Level::SOSO,
            format!("it is slow: a word took it {took_ms} ms"),
        ),
        false => (Level::FINE, format!("it answers in {took_ms} ms")),
    }
}

fn decides(facts: &Facts, now: Timestamp) -> (Level, String) {
    let Some(lease) = &facts.lease else {
        return (Level::SOSO, "nobody has decided yet".into());
    };
    let over = now.duration_since(lease.expires_at);
    if over >= UNDECIDED {
        let words = format!(
            "nobody decides since {:.0}: rollouts stand still, and nobody is told of anything; the log says why",
            lease.expires_at
        );
        return (Level::CRITICAL, words);
    }
    match facts.is_own {
        true => (Level::FINE, "this server decides".into()),
        false => (Level::FINE, "another server decides".into()),
    }
}

fn messages(failed: u64) -> (Level, String) {
    match failed {
        0 => (
            Level::FINE,
            "no message was given up in the last day".into(),
        ),
        1 => (
            Level::SICK,
            "a message of the last day was given up; the log of deliveries says why".into(),
        ),
        failed => (
            Level::SICK,
            format!(
                "{failed} messages of the last day were given up; the log of deliveries says why"
            ),
        ),
    }
}

fn disk(free: u64) -> (Level, String) {
    let gib = free as f64 / (1024.0 * 1024.0 * 1024.0);
    let words = format!("{gib:.1} GiB are free in the data directory");
    match free {
        ..HARDLY_ANY => (Level::CRITICAL, words),
        HARDLY_ANY..LITTLE => (Level::SICK, words),
        _ => (Level::FINE, words),
    }
}

fn backup(made: Option<Timestamp>, age: Interval, now: Timestamp) -> (Level, String) {
    let Some(made) = made else {
        return (
            Level::SOSO,
            "there never was a backup: lockstep server backup FILE".into(),
        );
    };
    // A backup from the future is one of a clock that was wrong; nobody knows how old it is.
    let old = Duration::try_from(now.duration_since(made)).unwrap_or_default();
    match old > age.duration() {
        true => (
            Level::SOSO,
            format!("the last backup was made at {made:.0}, longer than {age} ago"),
        ),
        false => (
            Level::FINE,
            format!("the last backup was made at {made:.0}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn fine() -> Facts {
        Facts {
            took: Duration::from_millis(2),
            lease: Some(LeaseHolder {
                holder: "a".into(),
                expires_at: now(),
            }),
            is_own: true,
            failed: 0,
            free: Some(20 * LITTLE),
            backup: Some("2026-11-20T12:00:00Z".parse().unwrap()),
            backup_age: Some(Interval::from_secs(7 * 86_400)),
        }
    }

    #[test]
    fn a_server_that_is_fine_says_so_of_each_part() {
        let parts = judge(&fine(), now());
        assert_eq!(parts.len(), 5);
        assert!(parts.iter().all(|it| it.level == Level::FINE), "{parts:?}");
    }

    #[test]
    fn each_part_can_be_wrong_by_itself() {
        let day = SignedDuration::from_hours(24);
        let cases: [(&str, Level, Facts); 7] = [
            (
                "database",
                Level::SOSO,
                Facts {
                    took: SLOW,
                    ..fine()
                },
            ),
            (
                "decider",
                Level::SOSO,
                Facts {
                    lease: None,
                    ..fine()
                },
            ),
            (
                "decider",
                Level::CRITICAL,
                Facts {
                    lease: Some(LeaseHolder {
                        holder: String::new(),
                        expires_at: now() - UNDECIDED,
                    }),
                    ..fine()
                },
            ),
            (
                "messages",
                Level::SICK,
                Facts {
                    failed: 1,
                    ..fine()
                },
            ),
            (
                "disk",
                Level::SICK,
                Facts {
                    free: Some(LITTLE - 1),
                    ..fine()
                },
            ),
            (
                "backup",
                Level::SOSO,
                Facts {
                    backup: None,
                    ..fine()
                },
            ),
            (
                "backup",
                Level::SOSO,
                Facts {
                    backup: Some(now() - day * 8),
                    ..fine()
                },
            ),
        ];
        for (part, level, facts) in cases {
            let parts = judge(&facts, now());
            let wrong: Vec<_> = parts.iter().filter(|it| it.level != Level::FINE).collect();
            assert_eq!(wrong.len(), 1, "{parts:?}");
            assert_eq!((wrong[0].part.as_str(), wrong[0].level), (part, level));
        }
    }

    #[test]
    fn what_nobody_knows_or_wants_is_not_told() {
        let facts = Facts {
            free: None,
            backup: None,
            backup_age: None,
            ..fine()
        };
        let parts = judge(&facts, now());
        let names: Vec<&str> = parts.iter().map(|it| it.part.as_str()).collect();
        assert_eq!(names, ["database", "decider", "messages"]);
    }
}
