//! Where simulated agents are kept: a directory with one file for each hundred of them, for its owner alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use lockstep_host::fs::{self, Mode};
use lockstep_sim::bench::{Keep, Remembered, Shard};

/// Largest file, in bytes: an agent has some three thousand.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The directory.
#[derive(Debug)]
pub(super) struct State(PathBuf);

impl State {
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        fs::create_private_dir(dir)
            .with_context(|| format!("failed to create {}", dir.display()))?;
        Ok(Self(dir.into()))
    }

    /// All agents, in the order of their numbers.
    pub(super) fn load(&self) -> anyhow::Result<Vec<Remembered>> {
        let mut agents = Vec::new();
        for number in 0.. {
            let path = self.path(number);
            let Some(text) = fs::read_capped(&path, LARGEST)? else {
                break;
            };
            let shard: Shard = serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{} is not a file of simulated agents; give another --state",
                    path.display()
                )
            })?;
            if shard.number != number {
                bail!(
                    "{} has the agents of another file; give another --state",
                    path.display()
                );
            }
            agents.extend(shard.agents);
        }
        agents.sort_by_key(|agent| agent.number);
        Ok(agents)
    }

    fn path(&self, shard: u32) -> PathBuf {
        self.0.join(format!("agents-{shard:05}.json"))
    }
}

impl Keep for State {
    fn save(&self, shard: &Shard) -> Result<(), String> {
        let text = serde_json::to_vec(shard).map_err(|error| error.to_string())?;
        fs::write_durable(&self.path(shard.number), &text, Mode::Private)
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use lockstep_model::HostName;

    use super::*;

    fn agent(number: u32) -> Remembered {
        Remembered {
            number,
            name: HostName::parse(&format!("sim-{number:05}")).unwrap(),
            key: "a key".into(),
            certificate: None,
            ca: String::new(),
            carried: Vec::new(),
        }
    }

    #[test]
    fn what_was_kept_comes_back_and_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("bench")).unwrap();
        assert!(state.load().unwrap().is_empty());
        for number in [1, 0] {
            let first = number * Shard::MOST + 1;
            let agents = vec![agent(first), agent(first + 1)];
            state.save(&Shard { number, agents }).unwrap();
        }
        let numbers: Vec<u32> = state.load().unwrap().iter().map(|it| it.number).collect();
        assert_eq!(numbers, [1, 2, 101, 102]);
        let mode = std::fs::metadata(state.path(0))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_of_something_else_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        fs::write_durable(&state.path(0), b"{}", Mode::Private).unwrap();
        assert!(state.load().unwrap_err().to_string().contains("--state"));
    }
}
