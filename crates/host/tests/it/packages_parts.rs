//! What the tests of package managers are made of: a place on disk, a key that is thrown away, a web server for a
//! repository, and the real tools that make packages.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use lockstep_host::Error;
use lockstep_host::exec::{Exec, Finished};
use lockstep_host::packages::{PackageError, PackageManager};
use lockstep_model::{PackageName, PackageVersion};
use tempfile::TempDir;

use super::trials::{PATIENCE, block_on, directory, fifo};

/// Fails with the name of the part to install, instead of leaving tests out.
pub(crate) fn needs(programs: &[(&str, &str)]) {
    for (program, part) in programs {
        let is_there = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
            .iter()
            .any(|dir| Path::new(dir).join(program).exists());
        assert!(
            is_there,
            "{program} is missing: install {part}, or run scripts/parts"
        );
    }
}

/// Runs a shell script that must succeed, in a directory.
pub(crate) fn shell(dir: &Path, script: &str, env: &[(&str, &Path)]) -> String {
    let mut exec = Exec::new("/bin/sh", PATIENCE)
        .args(["-euc", script])
        .cwd(dir)
        .env("LC_ALL", "C");
    for (name, value) in env {
        exec = exec.env(name, value);
    }
    let finished = block_on(exec.run()).unwrap();
    assert!(finished.succeeded(), "{script}\n{}", finished.output);
    finished.output
}

/// A directory that other users may enter: apt reads as the user `_apt`.
pub(crate) fn open_directory() -> TempDir {
    let dir = directory();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

/// A key pair with a home of its own.
pub(crate) struct Key {
    home: PathBuf,
    pub(crate) public: String,
}

impl Key {
    pub(crate) fn make(dir: &Path, name: &str) -> Self {
        needs(&[("gpg", "gpg"), ("gpg-agent", "gpg-agent")]);
        let home = dir.join(name);
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, PermissionsExt::from_mode(0o700)).unwrap();
        let mut key = Self {
            home,
            public: String::new(),
        };
        let make = "gpg --batch --quiet --passphrase '' --quick-generate-key 'Test <test@example.org>' rsa2048 sign never";
        key.shell(dir, make);
        key.public = key.shell(dir, "gpg --batch --armor --export");
        key
    }

    /// A script that finds this key, and no other.
    pub(crate) fn shell(&self, dir: &Path, script: &str) -> String {
        shell(dir, script, &[("GNUPGHOME", &self.home)])
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.shell(Path::new("/"), "gpgconf --kill all");
    }
}

/// A web server on a free port of the loopback, for the files of a directory.
pub(crate) struct Web {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    pub(crate) fn serve(dir: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let dir = dir.clone();
                // One that breaks off is its client's concern.
                std::thread::spawn(move || stream.and_then(|stream| answer(&stream, &dir)));
            }
        });
        Self {
            address,
            ends,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

fn answer(mut stream: &TcpStream, dir: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request
        .split(' ')
        .nth(1)
        .unwrap_or("/")
        .trim_start_matches(['/', '.']);
    let (status, body) = match std::fs::read(dir.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // It is waiting for somebody to come.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// An address where nobody answers. It is not that of [`Web`]: apt gives up a whole address, with all its ports, when it
/// cannot connect to one of them.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

/// Two fifos by which a script says that it has begun, and is let go on.
pub(crate) struct Gate {
    begun: PathBuf,
    go: PathBuf,
}

impl Gate {
    pub(crate) fn make(dir: &Path) -> Self {
        let gate = Self {
            begun: dir.join("begun"),
            go: dir.join("go"),
        };
        fifo(&gate.begun);
        fifo(&gate.go);
        gate
    }

    /// What a shell script does at the gate, once: later it finds it open.
    pub(crate) fn in_shell(&self) -> String {
        let (begun, go) = (self.begun.display(), self.go.display());
        format!("if [ -p {begun} ]; then echo > {begun}; read nothing < {go}; fi\n")
    }

    /// The same in Lua, within rpm.
    pub(crate) fn in_lua(&self, root: &Path) -> String {
        let inside = |path: &Path| format!("/{}", path.strip_prefix(root).unwrap().display());
        let (begun, go) = (inside(&self.begun), inside(&self.go));
        format!(
            "if posix.stat('{begun}') then\n local f = io.open('{begun}', 'w') f:write('x') f:close()\n \
             local g = io.open('{go}', 'r') g:read() g:close()\nend\n"
        )
    }

    pub(crate) async fn wait_begun(&self) {
        let begun = self.begun.clone();
        tokio::task::spawn_blocking(move || std::fs::read(begun).unwrap())
            .await
            .unwrap();
    }

    /// Nobody waits here any more.
    pub(crate) fn open(&self) {
        std::fs::remove_file(&self.begun).unwrap();
        std::fs::remove_file(&self.go).unwrap();
    }

    pub(crate) async fn let_go(&self) {
        let go = self.go.clone();
        let write = move || {
            std::fs::OpenOptions::new()
                .write(true)
                .open(go)
                .unwrap()
                .write_all(b"\n")
                .unwrap()
        };
        tokio::task::spawn_blocking(write).await.unwrap();
    }
}

/// Holds `fcntl(2)` locks of a file in a process of its own, until the gate is passed.
pub(crate) async fn hold_lock(path: &Path, gate: &Gate) -> Finished {
    let script = "import fcntl, sys\nf = open(sys.argv[1], 'w')\nfcntl.lockf(f, fcntl.LOCK_EX)\n\
        open(sys.argv[2], 'w').write('x')\nopen(sys.argv[3]).read()\n";
    let python = Exec::new("/usr/bin/python3", PATIENCE).args(["-c", script]);
    python
        .args([path, &gate.begun, &gate.go])
        .run()
        .await
        .unwrap()
}

pub(crate) fn name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

pub(crate) fn version(text: &str) -> PackageVersion {
    PackageVersion::parse(text).unwrap()
}

/// The installed version as text.
pub(crate) fn installed(manager: &PackageManager, package: &str) -> Option<String> {
    let version = block_on(manager.installed(&name(package))).unwrap();
    version.map(|version| version.to_string())
}

/// Installs a version, or the candidate, and says what went wrong with all of its words.
pub(crate) fn install(
    manager: &PackageManager,
    package: &str,
    wanted: Option<&str>,
) -> Result<lockstep_host::packages::Output, PackageError> {
    let wanted = wanted.map(version);
    package_error(block_on(manager.install(
        &name(package),
        wanted.as_ref(),
        false,
    )))
}

pub(crate) fn package_error<T>(result: Result<T, Error>) -> Result<T, PackageError> {
    result.map_err(|error| match error {
        Error::Packages(error) => error,
        other => panic!("{other}"),
    })
}

/// Takes all packages out of a repository; what it says of them stays.
pub(crate) fn without_packages(repo: &Path, extension: &str) {
    for entry in std::fs::read_dir(repo).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            without_packages(&path, extension);
        } else if path.extension().is_some_and(|it| it == extension) {
            std::fs::remove_file(path).unwrap();
        }
    }
}
