//! Provisioning: a bundle alone makes a host that can be enrolled and run.
//!
//! The bundle holds the whole agent, this updater included. The command may be repeated; it never touches an
//! identity or a configuration that is there already.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use lockstep_host::Layout;
use lockstep_host::fs::{self, Mode};
use lockstep_host::slots::{Slot, Slots};
use lockstep_model::{PackageName, Platform, Version};
use lockstep_trust::bundle;

use crate::Error;
use crate::config::AgentConfig;

/// What was provisioned.
#[derive(Debug)]
pub struct Installed {
    /// The version.
    pub version: Version,
    /// The program to run.
    pub program: PathBuf,
    /// The systemd unit that was written.
    pub unit: PathBuf,
}

/// Unpacks the agent's bundle into a slot below the root and makes it current.
pub fn install(layout: &Layout, file: &Path, now: Timestamp) -> Result<Installed, Error> {
    let open = || {
        let file = std::fs::File::open(file);
        file.map_err(|source| Error::System {
            doing: "open the bundle",
            source,
        })
    };
    let inspected = bundle::inspect(open()?)?;
    let manifest = inspected.manifest.clone();
    let release = inspected.into_built().release();
    let (own, platform) = (PackageName::lockstep(), Platform::of_this_program());
    if manifest.package != own || !manifest.platform.runs_on(&platform) {
        return Err(Error::Refused(format!(
            "{} holds {} for {}; this host needs {own} for {platform}",
            file.display(),
            manifest.package,
            manifest.platform
        )));
    }
    let slots = Slots::new(layout.clone());
    if let Some(current) = slots.current()? {
        // The same again is a command that was cut off, or given twice.
        if current.hash == Some(release.hash) {
            return Ok(finished(layout, current));
        }
        return Err(Error::Refused(format!(
            "{} runs version {} already; \"lockstep agent update\" changes it",
            layout.root().display(),
            current.manifest.version
        )));
    }
    for dir in [layout.state_dir(), layout.run_dir(), layout.identity_dir()] {
        fs::create_private_dir(&dir)?;
    }
    let slot = slots.install(file, &release, None, now)?;
    if fs::read_capped(&layout.config(), 1024 * 1024)?.is_none() {
        fs::write_durable(
            &layout.config(),
            AgentConfig::default().to_toml().as_bytes(),
            Mode::Public,
        )?;
    }
    fs::write_durable(
        &unit_path(layout),
        unit_text(layout).as_bytes(),
        Mode::Public,
    )?;
    slots.make_current(&slot)?;
    Ok(finished(layout, slot))
}

fn finished(layout: &Layout, slot: Slot) -> Installed {
    Installed {
        version: slot.manifest.version,
        program: layout.current().join(Slot::PROGRAM),
        unit: unit_path(layout),
    }
}

fn unit_path(layout: &Layout) -> PathBuf {
    layout
        .root()
        .join("etc/systemd/system/lockstep-agent.service")
}

/// The service, as systemd is to run it: ready when the supervisor says so, watched, restarted for ever.
fn unit_text(layout: &Layout) -> String {
    let (program, root) = (layout.current().join(Slot::PROGRAM), layout.root_text());
    let program = program.display();
    format!(
        "[Unit]
Description=Lockstep agent
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} agent run --root {root}
ExecReload={program} agent reload --root {root}
KillMode=mixed
Restart=always
RestartSec=5
WatchdogSec=60

[Install]
WantedBy=multi-user.target
"
    )
}
