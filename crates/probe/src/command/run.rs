//! One run of a program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::exec::{Exec, Keep};
use lockstep_host::machine;
use lockstep_host::process::User;
use lockstep_model::HostName;
use lockstep_model::api::ProgramSeen;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::program::{Kind, Program, Wish};
use crate::aside::Aside;
use crate::probe::Order;
use crate::programs::{Programs, Stamp};
use crate::remote::{clean, slightly_before};

/// Programs that run at the same time: more would be a load of their own on a small machine.
const AT_ONCE: usize = 4;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// How much of its output is kept, from the beginning, in bytes.
const MOST_OUTPUT: usize = 64 * 1024;
/// A program's file is read after its run, and its sample does not wait for that any longer.
const READING: Duration = Duration::from_secs(1);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What runs for an entry, and how.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) wish: Wish,
    timeout: Duration,
    host: String,
    address: Option<String>,
    state_dir: Option<PathBuf>,
    aside: Arc<Aside>,
    programs: Arc<Programs>,
    /// The watched host, if it is about one.
    about: Option<HostName>,
}

/// What a program said at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Its exit status.
    pub(super) code: i32,
    pub(super) output: String,
    /// What it said on standard error, on one line.
    pub(super) errors: String,
}

impl Command {
    pub(super) fn of(order: &Order, kind: Kind) -> Result<Self, String> {
        let (host, address) = match (&order.target, &order.this_host) {
            (Some(target), _) => (target.host.to_string(), Some(target.address.clone())),
            (None, Some(host)) => (host.to_string(), None),
            (None, None) => (machine::hostname(), None),
        };
        Ok(Self {
            wish: Wish::of(order, kind)?,
            timeout: order.timeout,
            host,
            address,
            state_dir: order.state_dir.clone(),
            aside: Arc::clone(&order.aside),
            programs: Arc::clone(&order.programs),
            about: order.target.as_ref().map(|target| target.host.clone()),
        })
    }

    /// Runs it to its end. An error says why it came to none.
    pub(super) async fn run(&self, at: Timestamp) -> Result<Said, String> {
        let deadline = Instant::now() + slightly_before(self.timeout);
        let Ok(place) = timeout_at(deadline, PLACES.acquire()).await else {
            return Err(format!(
                "{AT_ONCE} other programs were running all the time"
            ));
        };
        let place = place.map_err(|error| error.to_string())?;
        let wish = self.wish.clone();
        let state_dir = self.state_dir.clone();
        let prepared = self.aside.ask(self.wish.item.as_str(), at, move || {
            let program = wish.program()?;
            let own = state_dir.and_then(|dir| own_dir(&dir, wish.item.as_str(), program.user));
            let stamp = Stamp::of(&program.path);
            Ok::<_, String>((program, own, stamp))
        });
        let prepared = prepared.answer(deadline).await.and_then(|program| program);
        let (program, own_dir, stamp) = prepared.inspect_err(|why| {
            self.programs
                .note_not_run(self.seen(at, None, Duration::ZERO, why));
        })?;
        let path = program.path.clone();
        let begun = Instant::now();
        let left = deadline.saturating_duration_since(begun);
        let finished = self.exec(program, own_dir, left).run().await;
        let took = begun.elapsed();
        drop(place);
        let finished = finished.map_err(|error| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        });
        let (exit, ended) = match &finished {
            Ok(finished) if finished.timed_out => (None, finished.how()),
            Ok(finished) => match finished.status.code() {
                Some(code) => (Some(code), String::new()),
                None => (None, finished.how()),
            },
            Err(why) => (None, why.clone()),
        };
        if let Some(stamp) = stamp {
            self.read_file(&path, stamp, at, deadline).await;
        }
        let seen = self.seen(at, exit, took, &ended);
        self.programs.note(seen, &path, stamp);
        let finished = finished?;
        let errors = clean(&finished.errors, 500);
        if finished.timed_out {
            return Err(format!(
                "it was killed, for it had not ended within {:.1} s",
                left.as_secs_f64()
            ));
        }
        match finished.status.code() {
            Some(code) => Ok(Said {
                code,
                output: finished.output,
                errors,
            }),
            None => Err(format!("it was ended by {}", finished.how())),
        }
    }

    /// Has the program's file read, if that was not done before. However long that takes, the run stands; a reading that ends
    /// later is told with the next report.
    async fn read_file(&self, path: &Path, stamp: Stamp, at: Timestamp, deadline: Instant) {
        if !self.programs.is_unread(path, stamp) {
            return;
        }
        let (programs, file) = (Arc::clone(&self.programs), path.to_owned());
        let key = format!("file {}", path.display());
        let reading = self
            .aside
            .ask(&key, at, move || programs.read(&file, stamp));
        let _ = reading.answer(deadline.min(Instant::now() + READING)).await;
    }

    /// What is told of this run.
    fn seen(&self, at: Timestamp, exit: Option<i32>, took: Duration, ended: &str) -> ProgramSeen {
        ProgramSeen {
            item: self.wish.item.clone(),
            host: self.about.clone(),
            path: String::new(),
            hash: None,
            exit,
            ended: clean(ended, ProgramSeen::LONGEST_ENDED),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            at,
        }
    }

    fn exec(&self, program: Program, own_dir: Option<PathBuf>, timeout: Duration) -> Exec {
        let mut exec = Exec::new(program.path, timeout)
            .args(program.arguments)
            .cwd("/")
            .clear_env()
            .env("LC_ALL", "C")
            .env("PATH", PATH)
            .env("LOCKSTEP_HOST", &self.host)
            .env("LOCKSTEP_ITEM", self.wish.item.as_str())
            .keep(Keep::Beginning)
            .errors_apart();
        exec.output_cap = MOST_OUTPUT;
        exec.user = program.user;
        if let Some(address) = &self.address {
            exec = exec.env("LOCKSTEP_ADDRESS", address);
        }
        if let Some(dir) = own_dir {
            exec = exec.env("LOCKSTEP_STATE_DIR", dir);
        }
        exec
    }
}

/// A directory in which a program may remember things, its own user's alone. There is none where it cannot be made;
/// a program that needs it will say so.
fn own_dir(state_dir: &Path, item: &str, user: Option<User>) -> Option<PathBuf> {
    let dir = state_dir.join(item.replace(':', "-"));
    let make = || -> std::io::Result<()> {
        match std::fs::create_dir(&dir) {
            // Only a fresh one is given away: in place of an older one, its owner could have put a link.
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(error),
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&dir, mode)?;
        if let Some(user) = user {
            std::os::unix::fs::lchown(&dir, Some(user.uid), Some(user.gid))?;
        }
        Ok(())
    };
    make()
        .inspect_err(|error| tracing::debug!(dir = %dir.display(), %error, "a program has no place of its own"))
        .ok()?;
    Some(dir)
}
