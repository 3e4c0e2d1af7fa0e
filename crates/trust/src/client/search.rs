//! Finding a target through delegated roles (TUF 1.0.31, section 5.6.7): depth first, in the order of the delegations,
//! each role verified against whoever delegates to it.
//!
//! Our own repositories do not delegate; this is what makes the client whole for those of others.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sigstore_tuf::{TargetFile, TrustedMetadataSet};

use super::{pinned_place, stored_name};
use crate::error::{Error, Result};
use crate::metadata::Role;
use crate::seams::{Fetch, MetadataStore, fetch_existing, keep, load};

/// Most roles that a search looks into.
const MOST_ROLES: usize = 32;

/// One role to look into, and the role that delegates to it.
struct Visit {
    role: String,
    delegator: String,
}

/// What the signed metadata says of `path`; none if no role that may speak for it lists it.
pub(crate) async fn find<F: Fetch>(
    trusted: &mut TrustedMetadataSet,
    store: &dyn MetadataStore,
    fetch: &F,
    path: &str,
    now: Timestamp,
) -> Result<Option<TargetFile>> {
    // The last is visited next.
    let mut pending = vec![Visit {
        role: Role::Targets.to_string(),
        delegator: Role::Root.to_string(),
    }];
    let mut visited = BTreeSet::new();
    while let Some(visit) = pending.pop() {
        if visited.contains(&visit.role) {
            continue;
        }
        if visited.len() >= MOST_ROLES {
            return Err(Error::Refused {
                file: stored_name(&visit.role),
                why: format!("more than {MOST_ROLES} roles would have to be searched for {path:?}"),
            });
        }
        if visit.role != Role::Targets.as_str()
            && !bring_in(trusted, store, fetch, &visit, now).await?
        {
            continue;
        }
        visited.insert(visit.role.clone());
        let Some(targets) = trusted.targets_role(&visit.role) else {
            return Err(Error::NotRefreshed);
        };
        if let Some(found) = targets.target(path) {
            return Ok(Some(found.clone()));
        }
        let mut children = Vec::new();
        for child in targets.delegations.iter().flat_map(|d| &d.roles) {
            if is_reserved(&child.name) {
                tracing::warn!(role = %child.name, "a delegation takes a reserved name and is passed over");
                continue;
            }
            let matches = child
                .matches_path(path)
                .map_err(|error| Error::refused(stored_name(&visit.role), error))?;
            if matches {
                children.push(Visit {
                    role: child.name.clone(),
                    delegator: visit.role.clone(),
                });
                if child.terminating {
                    pending.clear();
                    break;
                }
            }
        }
        pending.extend(children.into_iter().rev());
    }
    Ok(None)
}

/// Loads and verifies a delegated role. False if the snapshot does not name it: then it is not part of the repository.
async fn bring_in<F: Fetch>(
    trusted: &mut TrustedMetadataSet,
    store: &dyn MetadataStore,
    fetch: &F,
    visit: &Visit,
    now: Timestamp,
) -> Result<bool> {
    let Visit { role, delegator } = visit;
    let file = stored_name(role);
    if trusted.targets_role(role).is_some() {
        // Another role delegated to it before, perhaps with other keys.
        return match trusted.verify_delegated_targets(role, delegator, now) {
            Ok(_) => Ok(true),
            Err(error) => Err(Error::refused(file, error)),
        };
    }
    let named = trusted
        .snapshot()
        .is_some_and(|snapshot| snapshot.meta.contains_key(&format!("{role}.json")));
    if !named {
        return Ok(false);
    }
    if let Some(stored) = load(store, &file)?
        && trusted
            .update_delegated_targets(&stored, role, delegator, now)
            .is_ok()
    {
        return Ok(true);
    }
    let (name, max) = pinned_place(trusted, role)?;
    let bytes = fetch_existing(fetch, &name, max).await?;
    if let Err(error) = trusted.update_delegated_targets(&bytes, role, delegator, now) {
        return Err(Error::refused(name, error));
    }
    keep(store, &file, &bytes)?;
    Ok(true)
}

/// A delegated role of such a name would be stored over a top-level one.
fn is_reserved(role: &str) -> bool {
    [Role::Root, Role::Timestamp, Role::Snapshot, Role::Targets]
        .iter()
        .any(|reserved| reserved.as_str() == role)
}
