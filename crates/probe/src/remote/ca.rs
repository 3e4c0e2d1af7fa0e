//! Whom a check believes: the options `ca` and `insecure`.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_net::Clock;
use lockstep_net::client::Belief;
use tokio::sync::OnceCell;

use super::options::Options;
use super::single::{Asked, Failure};
use crate::Permits;
use crate::aside::Aside;
use crate::probe::Order;

/// Largest file of authorities, in bytes: the system's own has a quarter of it.
const LARGEST: u64 = 1024 * 1024;

/// Whom a check believes. Authorities are read at the first look, and again for a new work document.
pub(super) struct Trust {
    whom: Whom,
    clock: Clock,
    belief: OnceCell<Belief>,
}

#[derive(Debug)]
enum Whom {
    System,
    Anyone,
    File {
        path: PathBuf,
        permits: Arc<Permits>,
        aside: Arc<Aside>,
    },
}

impl Trust {
    pub(super) fn of(order: &Order, options: Options<'_>) -> Result<Self, String> {
        let whom = match (options.text("ca")?, options.flag("insecure")?) {
            (Some(_), true) => {
                return Err("the options \"ca\" and \"insecure\" contradict each other".into());
            }
            (None, true) => Whom::Anyone,
            (None, false) => Whom::System,
            (Some(path), false) => Whom::File {
                path: path.into(),
                permits: Arc::clone(&order.permits),
                aside: Arc::clone(&order.aside),
            },
        };
        Ok(Self {
            whom,
            clock: order.clock.clone(),
            belief: OnceCell::new(),
        })
    }

    pub(super) async fn belief(&self, asked: Asked) -> Result<Belief, Failure> {
        let make = async {
            match &self.whom {
                Whom::Anyone => Belief::in_anyone(&self.clock).map_err(|error| error.to_string()),
                Whom::System => Belief::as_the_system(&self.clock)
                    .await
                    .map_err(|error| error.to_string()),
                Whom::File {
                    path,
                    permits,
                    aside,
                } => {
                    let (path, permits) = (path.clone(), Arc::clone(permits));
                    let key = format!("ca {}", path.display());
                    let read = aside.ask(&key, asked.at, move || read(&path, &permits.files));
                    let pem = read.answer(asked.deadline).await.and_then(|pem| pem)?;
                    Belief::in_authorities(&pem, &self.clock).map_err(|error| error.to_string())
                }
            }
        };
        let belief = self.belief.get_or_try_init(|| make).await;
        belief.cloned().map_err(Failure::of_ours)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("whom", &self.whom)
            .finish_non_exhaustive()
    }
}

/// Reads a file of authorities, if the host lets its server name it: what is wrong with a file tells something of it.
fn read(path: &Path, permitted: &[PathBuf]) -> Result<String, String> {
    let real = std::fs::canonicalize(path).ok().filter(|real| {
        let mut permitted = permitted
            .iter()
            .filter_map(|permit| std::fs::canonicalize(permit).ok());
        permitted.any(|permit| real.starts_with(permit))
    });
    let Some(real) = real else {
        return Err(format!(
            "{} is not among the files that this host lets its server name, or not there; see [probes] files in \
             agent.toml",
            path.display()
        ));
    };
    let unread = |error: &dyn fmt::Display| format!("{} cannot be read: {error}", path.display());
    let known = std::fs::metadata(&real).map_err(|error| unread(&error))?;
    if !known.is_file() {
        return Err(unread(&"it is not a regular file"));
    }
    let file = std::fs::File::open(&real).map_err(|error| unread(&error))?;
    let mut pem = String::new();
    file.take(LARGEST)
        .read_to_string(&mut pem)
        .map_err(|error| unread(&error))?;
    Ok(pem)
}
