//! A private PostgreSQL for one test: made, started, and gone with it.
//!
//! It listens on a socket in its own temporary directory and nowhere else, so clusters of tests that run at the
//! same time do not meet. PostgreSQL refuses to run as root; a test that runs as root runs it as the user
//! `postgres`. It ends with the value, also when the test panics, and is ended by the kernel when the test process
//! is killed; the directory that is left over then is removed by the next test that starts a cluster.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Whether PostgreSQL waits for the disk. Nothing that a test of this machine's processes can observe depends on it,
/// a power cut would; waiting costs a test its speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Commits are in the operating system's memory when they are acknowledged.
    Off,
    /// Commits are on the disk when they are acknowledged.
    On,
}

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    user: Option<User>,
    fsync: Fsync,
    server: Option<Server>,
    databases: AtomicU32,
    /// Held as long as the directory is in use.
    _lock: File,
}

/// Where clusters are made. Not below TMPDIR: the path of a socket has at most 107 bytes.
const PLACE: &str = "/tmp";
/// What the names of their directories begin with.
const PREFIX: &str = "lockstep-postgres-";
/// The file in each that its test process has locked.
const LOCK: &str = "lock";
/// How long PostgreSQL may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

impl Postgres {
    /// Makes a cluster and starts it, without waiting for the disk.
    ///
    /// # Errors
    /// Says what is missing, or shows the end of PostgreSQL's log.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(Fsync::Off)
    }

    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// Says what is missing, or shows the end of PostgreSQL's log.
    pub fn start_with(fsync: Fsync) -> anyhow::Result<Self> {
        remove_leftovers();
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(PLACE)
            .context("making a directory for PostgreSQL")?;
        let lock = lock_directory(directory.path()).context("locking the directory")?;
        let user = User::needed()?;
        if let Some(user) = user {
            std::os::unix::fs::chown(directory.path(), Some(user.uid), Some(user.gid))
                .context("giving the directory to the user postgres")?;
        }
        let mut cluster = Self {
            programs: programs()?,
            directory,
            user,
            fsync,
            server: None,
            databases: AtomicU32::new(0),
            _lock: lock,
        };
        cluster.make()?;
        cluster.run()?;
        Ok(cluster)
    }

    /// Makes an empty database and returns its url.
    ///
    /// # Errors
    /// Shows what PostgreSQL says.
    pub fn fresh_database(&self) -> anyhow::Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test{number}");
        self.tool(
            "createdb",
            ["--host".as_ref(), self.socket().as_os_str(), name.as_ref()],
        )?;
        Ok(self.url(&name))
    }

    /// The url of a database of this name, whether there is one or not.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!(
            "postgres:///{name}?host={}&user=postgres",
            self.socket().display()
        )
    }

    /// Kills PostgreSQL as a crash would, and starts it again: it recovers from its log.
    ///
    /// # Errors
    /// Shows the end of PostgreSQL's log.
    pub fn crash_and_restart(&mut self) -> anyhow::Result<()> {
        self.crash();
        self.run()
    }

    /// Kills PostgreSQL as a crash would, and leaves it so.
    pub fn crash(&mut self) {
        self.server = None;
    }

    /// Starts PostgreSQL after [`Postgres::crash`].
    ///
    /// # Errors
    /// Shows the end of PostgreSQL's log.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        if self.server.is_none() {
            self.run()?;
        }
        Ok(())
    }

    fn socket(&self) -> &Path {
        self.directory.path()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn make(&self) -> anyhow::Result<()> {
        let data = self.data();
        self.tool(
            "initdb",
            [
                "--auth=trust".as_ref(),
                "--encoding=UTF8".as_ref(),
                "--locale=C".as_ref(),
                "--no-instructions".as_ref(),
                "--no-sync".as_ref(),
                "--username=postgres".as_ref(),
                "--pgdata".as_ref(),
                data.as_os_str(),
            ],
        )
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let on_or_off = match self.fsync {
            Fsync::Off => "off",
            Fsync::On => "on",
        };
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .context("opening PostgreSQL's log")?;
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.socket())
            .args(["-c", "listen_addresses=", "-c", "max_connections=200"])
            .args(["-c", "shared_buffers=16MB", "-c", "jit=off"])
            .args(["-c", &format!("fsync={on_or_off}")])
            .args(["-c", &format!("full_page_writes={on_or_off}")])
            .stdout(log.try_clone().context("opening PostgreSQL's log")?)
            .stderr(log);
        // What a killed server left there says "ready", too.
        let status = self.data().join("postmaster.pid");
        if let Err(error) = std::fs::remove_file(&status)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).context("removing the status of the server before");
        }
        let server = Server::spawn(command).context("starting postgres")?;
        let patience = Instant::now() + PATIENCE;
        // The last line of the status file becomes "ready" (PostgreSQL's miscadmin.h).
        while !std::fs::read_to_string(&status).is_ok_and(|text| text.trim_end().ends_with("ready"))
        {
            if server.has_ended() || Instant::now() > patience {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                bail!("PostgreSQL did not start; its log says:\n{log}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.server = Some(server);
        Ok(())
    }

    /// Runs one of PostgreSQL's programs to its end.
    fn tool<'a>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = &'a OsStr>,
    ) -> anyhow::Result<()> {
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .with_context(|| format!("running {program}"))?;
        ensure!(
            output.status.success(),
            "{program} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// A command that runs as the right user, and is told to end at once (SIGQUIT) when the thread that started it
    /// ends. `setpriv` replaces itself by the program, so its process is the program's.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's server outlives any deadline, and host::exec is what others test"
    )]
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if let Some(User { uid, gid }) = self.user {
            command
                .arg(format!("--reuid={uid}"))
                .arg(format!("--regid={gid}"))
                .arg("--clear-groups");
        }
        command
            .arg("--")
            .arg(self.programs.join(program))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PGUSER", "postgres")
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }
}

/// The server's process, and the thread that started it and waits for its end.
#[derive(Debug)]
struct Server {
    pid: Pid,
    keeper: Option<JoinHandle<()>>,
}

impl Server {
    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let (tell, told) = mpsc::channel();
        // A thread of its own, because the kernel ends the server when the thread that started it ends, and test
        // threads and those of a runtime come and go.
        let keeper = thread::Builder::new()
            .name("postgres keeper".into())
            .spawn(move || match command.spawn() {
                Ok(mut child) => {
                    let _ = tell.send(Ok(child.id()));
                    let _ = child.wait();
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                }
            })?;
        let pid = told.recv().context("the keeper ended")??;
        let pid = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .context("the server has no process id")?;
        Ok(Self {
            pid,
            keeper: Some(keeper),
        })
    }

    fn has_ended(&self) -> bool {
        self.keeper.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: end now, without writing anything; the children are told, and shared memory is given back.
        for signal in [Signal::QUIT, Signal::KILL] {
            if self.has_ended() {
                break;
            }
            let _ = kill_process(self.pid, signal);
            let patience = Instant::now() + PATIENCE / 3;
            while !self.has_ended() && Instant::now() < patience {
                thread::sleep(Duration::from_millis(2));
            }
        }
        if let Some(keeper) = self.keeper.take()
            && keeper.is_finished()
        {
            let _ = keeper.join();
        }
    }
}

/// The user that PostgreSQL runs as.
#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// The user `postgres`, if this is root; nobody else could become him.
    fn needed() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        let ids = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&"postgres"))
            .and_then(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)));
        let (uid, gid) = ids.context(
            "this is root, and there is no user postgres to run PostgreSQL as: apt-get install postgresql",
        )?;
        Ok(Some(Self { uid, gid }))
    }
}

/// Says that a directory is in use. The lock gets its name only once it is held, so that nobody finds it free.
fn lock_directory(directory: &Path) -> std::io::Result<File> {
    let unnamed = directory.join("lock.new");
    let lock = File::create(&unnamed)?;
    lock.lock()?;
    std::fs::hard_link(&unnamed, directory.join(LOCK))?;
    Ok(lock)
}

/// Removes the directories of test processes that were killed: nobody holds their locks any more. What cannot be
/// removed, because it belongs to somebody else, stays.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir(PLACE) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // One without a lock was made a moment ago.
        if let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The directory with PostgreSQL's programs: Debian's newest, or the first in PATH.
fn programs() -> anyhow::Result<PathBuf> {
    let version =
        |path: &Path| -> Option<u32> { path.parent()?.file_name()?.to_str()?.parse().ok() };
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .max_by_key(|bin| version(bin));
    if let Some(bin) = debian {
        return Ok(bin);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .context("PostgreSQL is not installed: apt-get install postgresql")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_killed_tests_left_is_removed() {
        let leftover = Path::new(PLACE).join(format!("{PREFIX}leftover-{}", std::process::id()));
        std::fs::create_dir(&leftover).unwrap();
        let lock = lock_directory(&leftover).unwrap();
        remove_leftovers();
        assert!(leftover.exists());
        drop(lock);
        remove_leftovers();
        assert!(!leftover.exists());
    }

    fn answers(directory: &Path) -> bool {
        UnixStream::connect(directory.join(".s.PGSQL.5432")).is_ok()
    }

    #[test]
    fn a_cluster_lives_as_long_as_its_value() {
        let mut cluster = Postgres::start().unwrap();
        let directory = cluster.socket().to_owned();
        let first = cluster.fresh_database().unwrap();
        assert_ne!(first, cluster.fresh_database().unwrap());
        assert!(answers(&directory));
        cluster.crash_and_restart().unwrap();
        assert!(answers(&directory));
        cluster.crash();
        assert!(!answers(&directory));
        cluster.restart().unwrap();

        let pid = cluster.server.as_ref().unwrap().pid;
        // A panic drops it like any other end.
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _cluster = cluster;
            panic!("a test fails");
        }));
        assert!(panicked.is_err());
        assert!(!directory.exists());
        assert!(!Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists());
    }
}
