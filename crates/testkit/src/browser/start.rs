//! Starting Chromium.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// A Chromium that was started, with the directory of all that it keeps.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) directory: TempDir,
}

/// No window, no sandbox (which root cannot have), no calls home, and no slowing down of pages that nobody looks at.
const FLAGS: [&str; 21] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--lang=en-GB",
    "--remote-debugging-pipe",
];

/// Starts Chromium with a new directory as its home.
pub(super) fn chromium(ca_pem: Option<&str>) -> anyhow::Result<Started> {
    let directory = tempfile::Builder::new()
        .prefix("lockstep-chromium-")
        .tempdir()
        .context("making a directory for Chromium")?;
    if let Some(ca_pem) = ca_pem {
        believe(directory.path(), ca_pem)?;
    }
    // Chromium reads descriptor 3 and writes descriptor 4. The shell makes them of what we can give it, and becomes
    // Chromium.
    let mut command = command("sh", directory.path());
    command
        .args([
            "-c",
            "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>&2",
            "sh",
        ])
        .args(FLAGS)
        .arg(format!(
            "--user-data-dir={}",
            directory.path().join("profile").display()
        ))
        .arg("about:blank")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(
            std::fs::File::create(directory.path().join("log")).context("making Chromium's log")?,
        )
        // All of its processes are ended together.
        .process_group(0);
    let child = command.spawn().context("starting sh")?;
    Ok(Started { child, directory })
}

/// Puts a certificate authority where Chromium looks: the NSS database of its user
/// (<https://chromium.googlesource.com/chromium/src/+/HEAD/docs/linux/cert_management.md>).
fn believe(home: &Path, ca_pem: &str) -> anyhow::Result<()> {
    let database = home.join(".pki/nssdb");
    std::fs::create_dir_all(&database).context("making a certificate database")?;
    let ca = home.join("ca.pem");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's file need not survive a power cut"
    )]
    std::fs::write(&ca, ca_pem).context("writing the certificate authority")?;
    let database = format!("sql:{}", database.display());
    for arguments in [
        vec!["-N", "--empty-password", "-d", &database],
        vec![
            "-A",
            "-n",
            "test",
            "-t",
            "C,,",
            "-d",
            &database,
            "-i",
            &ca.to_string_lossy(),
        ],
    ] {
        let output = command("certutil", home)
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .context("running certutil: apt-get install libnss3-tools")?;
        ensure!(
            output.status.success(),
            "certutil {arguments:?} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's browser outlives any deadline, and host::exec is what others test"
)]
fn command(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("TMPDIR", home)
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .current_dir(home);
    command
}
