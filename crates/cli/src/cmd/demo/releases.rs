//! The demo's four releases.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::stage::Stage;

/// The bundles.
pub(crate) struct Releases {
    /// This very program.
    pub(crate) v1: PathBuf,
    /// The same bytes under another version.
    pub(crate) v2: PathBuf,
    /// Its worker dies after its start.
    pub(crate) v3: PathBuf,
    /// It runs, but takes 300 MB of memory that it does not need.
    pub(crate) v4: PathBuf,
}

/// Stands in the place of the program and lets it do everything but work.
const DIES: &str = r#"#!/bin/sh
# 3.0.0: passes its preflight, and dies as a worker.
here=$(dirname "$0")
if [ "$1 $2" = "agent worker" ]; then
    echo "3.0.0 begins to work" >&2
    sleep 1
    echo "3.0.0 has run into a fault of its own and ends" >&2
    exit 7
fi
exec "$here/lockstep-program" "$@"
"#;

/// Works, but holds memory beside.
const BLOATED: &str = r#"#!/bin/sh
# 4.0.0: works, and holds 300 MB of memory beside.
here=$(dirname "$0")
if [ "$1 $2" = "agent worker" ]; then
    { head -c 300000000 /dev/zero; exec sleep 600; } | tail -c 300000000 >/dev/null &
fi
exec "$here/lockstep-program" "$@"
"#;

impl Releases {
    /// Builds them with the commands that a publisher would use.
    pub(crate) async fn build(stage: &mut Stage) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("failed to find the running program")?;
        let tree = stage.path("trees/good");
        put_program(&tree.join("bin"), "lockstep", &program)?;
        let v1 = stage.path("lockstep-1.0.0.tar.zst");
        stage.build("trees/good", "1.0.0", &v1).await?;
        let v2 = stage.path("lockstep-2.0.0.tar.zst");
        stage
            .command(&[
                "release",
                "stamp",
                &text(&v1),
                "--version",
                "2.0.0",
                "-o",
                &text(&v2),
            ])
            .await?;
        let mut bad = Vec::new();
        for (name, version, script) in [("dies", "3.0.0", DIES), ("bloated", "4.0.0", BLOATED)] {
            let bin = stage.path(&format!("trees/{name}/bin"));
            put_program(&bin, "lockstep-program", &program)?;
            put_script(&bin.join("lockstep"), script)?;
            let bundle = stage.path(&format!("lockstep-{version}.tar.zst"));
            stage
                .build(&format!("trees/{name}"), version, &bundle)
                .await?;
            bad.push(bundle);
        }
        let [v3, v4] = bad.try_into().expect("two bad releases were built");
        Ok(Self { v1, v2, v3, v4 })
    }
}

fn put_program(dir: &Path, name: &str, program: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    let place = dir.join(name);
    std::fs::copy(program, &place)
        .with_context(|| format!("failed to copy the program to {}", place.display()))?;
    Ok(())
}

fn put_script(path: &Path, script: &str) -> anyhow::Result<()> {
    lockstep_host::fs::write_durable(path, script.as_bytes(), lockstep_host::fs::Mode::Executable)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The paths of the demo are below a directory that it made or was given as text.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
