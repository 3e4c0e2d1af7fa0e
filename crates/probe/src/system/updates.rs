//! `pending_updates`, `security_updates`, `patch_age`: what could be updated, and for how long fixes have been waiting.
//!
//! On Debian and its children the files of `dpkg` and `apt` are read ([`apt`]); where packages are RPMs, `dnf` is
//! asked ([`dnf`]). Nothing is fetched: what counts is what the machine itself knows of, from its last
//! `apt-get update` or its `dnf-makecache.timer`. A host with neither has none of the items.
//!
//! The three items share one survey, which is repeated when the files that it read have changed.

mod ages;
mod apt;
mod dnf;
mod stanza;
mod version;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use tokio::time::Instant;

use super::reading::{age, count, seconds, the_item, without_value};
use super::{has_options, without_object};
use crate::probe::{Look, Order, Probe};

/// The probe `pending_updates`.
pub(super) fn pending(order: &Order) -> Result<Arc<dyn Probe>, String> {
    asking(order, Question::Pending)
}

/// The probe `security_updates`.
pub(super) fn security(order: &Order) -> Result<Arc<dyn Probe>, String> {
    asking(order, Question::Security)
}

/// The probe `patch_age`. Its memory of when it first saw which fix is kept in the state directory.
pub(super) fn patch_age(order: &Order) -> Result<Arc<dyn Probe>, String> {
    asking(order, Question::PatchAge)
}

fn asking(order: &Order, question: Question) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    without_object(order)?;
    Ok(Arc::new(Asking {
        order: order.clone(),
        question,
        updates: Updates::of(order),
    }))
}

/// True where packages are RPMs.
pub(super) fn has_rpm(root: &Path) -> bool {
    let is_there = |path: &str| root.join(path).exists();
    !is_there(apt::STATUS) && (is_there(dnf::PROGRAM) || is_there("usr/bin/rpm"))
}

/// What could be updated.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Pending {
    /// How many packages.
    packages: usize,
    /// Those for which there is a security fix, as `name:architecture` or `name.architecture`.
    security: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Question {
    Pending,
    Security,
    PatchAge,
}

/// Who knows of updates on this machine.
enum Found {
    ByApt(Arc<Pending>),
    Dnf(dnf::Stamp),
    Nothing,
}

#[derive(Debug)]
struct Asking {
    order: Order,
    question: Question,
    updates: Arc<Updates>,
}

/// What the probes of one machine share.
#[derive(Debug)]
struct Updates {
    root: PathBuf,
    state_dir: Option<PathBuf>,
    apt: Mutex<apt::Survey>,
    dnf: Arc<tokio::sync::Mutex<dnf::Survey>>,
    ages: Mutex<ages::Ages>,
}

/// Those that are in use. The entries of a work document know nothing of each other, and a new document must not
/// make the machine read everything again.
static IN_USE: Mutex<Vec<Weak<Updates>>> = Mutex::new(Vec::new());

impl Updates {
    fn of(order: &Order) -> Arc<Self> {
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|one| one.strong_count() > 0);
        let known = in_use
            .iter()
            .filter_map(Weak::upgrade)
            .find(|one| one.root == order.root && one.state_dir == order.state_dir);
        known.unwrap_or_else(|| {
            let new = Arc::new(Self {
                root: order.root.clone(),
                state_dir: order.state_dir.clone(),
                apt: Mutex::default(),
                dnf: Arc::default(),
                ages: Mutex::new(ages::Ages::kept_in(order.state_dir.as_deref())),
            });
            in_use.push(Arc::downgrade(&new));
            new
        })
    }

    /// What `apt` could update; none if this machine has no `dpkg`. Runs where it may wait.
    fn by_apt(&self, at: Timestamp) -> Result<Option<Arc<Pending>>, String> {
        // Whoever comes while somebody is reading waits, and finds what that one has found.
        let mut survey = self.apt.lock().unwrap_or_else(PoisonError::into_inner);
        survey.pending(&self.root, at)
    }

    /// Since when the oldest of these fixes has been waiting. Runs where it may wait.
    fn oldest(&self, fixes: &[String], at: Timestamp) -> Option<Timestamp> {
        let mut ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        ages.oldest(fixes, at)
    }
}

impl Asking {
    /// What could be updated, or none if this machine has packages of neither kind.
    async fn pending(
        &self,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<Arc<Pending>>, String> {
        let aside = &self.order.aside;
        let key = self.order.name.as_str();
        let updates = Arc::clone(&self.updates);
        let found = aside
            .ask(key, at, move || match updates.by_apt(at)? {
                Some(pending) => Ok::<_, String>(Found::ByApt(pending)),
                None => Ok(dnf::stamp(&updates.root).map_or(Found::Nothing, Found::Dnf)),
            })
            .answer(deadline)
            .await??;
        match found {
            Found::ByApt(pending) => Ok(Some(pending)),
            Found::Dnf(stamp) => {
                let survey = Arc::clone(&self.updates.dnf);
                dnf::pending(survey, &self.updates.root, stamp, at, deadline)
                    .await
                    .map(Some)
            }
            Found::Nothing => Ok(None),
        }
    }

    async fn since(
        &self,
        pending: &Arc<Pending>,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Option<Timestamp>, String> {
        let (updates, pending) = (Arc::clone(&self.updates), Arc::clone(pending));
        let key = self.order.name.as_str();
        let aside = &self.order.aside;
        aside
            .ask(key, at, move || updates.oldest(&pending.security, at))
            .answer(deadline)
            .await
    }
}

impl Probe for Asking {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move {
            let order = &self.order;
            let deadline = Instant::now() + order.timeout;
            let pending = match self.pending(at, deadline).await {
                Ok(Some(pending)) => pending,
                Ok(None) => return Vec::new(),
                Err(why) => return without_value(order, why),
            };
            let value = match self.question {
                Question::Pending => count(pending.packages),
                Question::Security => count(pending.security.len()),
                Question::PatchAge => match self.since(&pending, at, deadline).await {
                    Ok(Some(since)) => age(at, since.as_second()),
                    Ok(None) => seconds(0),
                    Err(why) => return without_value(order, why),
                },
            };
            the_item(order, value, None)
        })
    }
}

#[cfg(test)]
mod tests;
