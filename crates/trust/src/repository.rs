//! A host's view of the repository: what the publisher signed, and nothing else.

use std::fmt;

use jiff::Timestamp;
use lockstep_model::{Delta, DeltaAlgorithm, PackageName, Release, Version};
use sigstore_tuf::{Metadata, Targets, TrustedMetadataSet};

use crate::client;
use crate::error::{Error, Result};
use crate::metadata::{Envelope, Role};
use crate::releases::{TargetsContent, release, sort_out};
use crate::seams::{Fetch, MetadataStore, keep, load};

/// The verified repository. It begins with a root that was handed over in trust, and from then on believes only what
/// follows from it.
///
/// Two kinds of answers: [`TrustedRepository::releases`] and [`TrustedRepository::floor`] speak of the newest list
/// that ever verified, also when it is stale; [`TrustedRepository::release`], on which a host acts, answers only while
/// the newest refresh stands.
pub struct TrustedRepository {
    store: Box<dyn MetadataStore>,
    root_version: u64,
    listed: Option<Listed>,
}

/// The newest list of releases.
struct Listed {
    targets: Envelope,
    content: TargetsContent,
    /// Until when all four roles are valid; none if this was not refreshed, or the newest refresh failed.
    valid_until: Option<Timestamp>,
}

impl Listed {
    fn read(bytes: &[u8], valid_until: Option<Timestamp>) -> Result<Self> {
        let targets = Envelope::parse(Role::Targets, bytes)?;
        let (content, contradictory) = sort_out(&targets)?;
        for error in contradictory {
            tracing::warn!(%error, "a listed release contradicts itself and is passed over");
        }
        Ok(Self {
            targets,
            content,
            valid_until,
        })
    }
}

impl TrustedRepository {
    /// Opens what the store holds. Where it holds no root yet, `initial_root` becomes the root and is stored; a
    /// stored root is never replaced by it, so a host that enrols with another publisher must begin with an empty
    /// store.
    ///
    /// # Errors
    /// [`Error::NoRoot`] if there is none; otherwise why the root cannot be used, or the store fails.
    pub fn open(store: Box<dyn MetadataStore>, initial_root: Option<&[u8]>) -> Result<Self> {
        let name = Role::Root.plain_name();
        let trusted = match (client::stored_root(&*store)?, initial_root) {
            (Some(trusted), _) => trusted,
            (None, Some(bytes)) => {
                let trusted = TrustedMetadataSet::from_root(bytes)
                    .map_err(|error| Error::refused(name.clone(), error))?;
                keep(&*store, &name, bytes)?;
                trusted
            }
            (None, None) => return Err(Error::NoRoot),
        };
        let listed = stored_list(&*store, &trusted)?;
        Ok(Self {
            store,
            root_version: trusted.root().version,
            listed,
        })
    }

    /// Brings everything up to date, or says what was refused. After a failure nothing may be installed until a
    /// refresh succeeds; what was verified on the way is kept.
    ///
    /// # Errors
    /// What could not be fetched, verified or stored. [`Error::is_surroundings`] tells an unreachable repository
    /// from one that lies.
    pub async fn refresh<F: Fetch>(&mut self, fetch: &F, now: Timestamp) -> Result<()> {
        if let Some(listed) = &mut self.listed {
            listed.valid_until = None;
        }
        let trusted = client::refresh(&*self.store, fetch, now).await?;
        self.root_version = trusted.root().version;
        let bytes = load(&*self.store, &Role::Targets.plain_name())?.ok_or(Error::NotRefreshed)?;
        self.listed = Some(Listed::read(&bytes, valid_until(&trusted))?);
        Ok(())
    }

    /// The release at a target path, if it may be installed now.
    ///
    /// # Errors
    /// [`Error::NotRefreshed`] or [`Error::Expired`] if the metadata does not stand; [`Error::UnknownTarget`],
    /// [`Error::NotARelease`] or [`Error::BelowFloor`] for what it says of the path.
    pub fn release(&self, target: &str, now: Timestamp) -> Result<Release> {
        let listed = self.listed.as_ref().ok_or(Error::NotRefreshed)?;
        let valid_until = listed.valid_until.ok_or(Error::NotRefreshed)?;
        if valid_until < now {
            return Err(Error::Expired {
                file: "the repository's metadata".into(),
                expired: valid_until,
            });
        }
        let stated = listed
            .targets
            .signed
            .get("targets")
            .and_then(|targets| targets.get(target))
            .ok_or_else(|| Error::UnknownTarget {
                target: target.chars().take(200).collect(),
            })?;
        let release = release(target, stated)?;
        let details = &release.details;
        match listed.content.floors.get(&details.package) {
            Some(floor) if &details.version < floor => Err(Error::BelowFloor {
                package: details.package.clone(),
                version: details.version.clone(),
                floor: floor.clone(),
            }),
            _ => Ok(release),
        }
    }

    /// All releases of the newest list that ever verified.
    #[must_use]
    pub fn releases(&self) -> &[Release] {
        self.listed
            .as_ref()
            .map_or(&[], |listed| &listed.content.releases)
    }

    /// The deltas that lead to a release, by the newest list that ever verified, the smallest first: those that fit
    /// the archive that the release states, that are smaller than its bundle, and that this version can apply.
    #[must_use]
    pub fn deltas_to(&self, release: &Release) -> Vec<Delta> {
        let listed = self.listed.as_ref();
        let deltas = listed.map_or(&[][..], |listed| &listed.content.deltas);
        let wanted = &release.details;
        let fits = |delta: &&Delta| {
            let details = &delta.details;
            details.package == wanted.package
                && details.platform == wanted.platform
                && details.to.version == wanted.version
                && Some(details.to.content) == wanted.content
                && details.algorithm != DeltaAlgorithm::Unknown
                && delta.length < release.length
        };
        let mut deltas: Vec<Delta> = deltas.iter().filter(fits).cloned().collect();
        deltas.sort_by_key(|delta| delta.length);
        deltas
    }

    /// The lowest version of a package that may be installed, by the newest list that ever verified.
    #[must_use]
    pub fn floor(&self, package: &PackageName) -> Option<Version> {
        let listed = self.listed.as_ref()?;
        listed.content.floors.get(package).cloned()
    }

    /// The version of the trusted root.
    #[must_use]
    pub fn root_version(&self) -> u64 {
        self.root_version
    }

    /// The version of the newest list that ever verified.
    #[must_use]
    pub fn targets_version(&self) -> Option<u64> {
        self.listed.as_ref().map(|listed| listed.content.version)
    }
}

impl fmt::Debug for TrustedRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedRepository")
            .field("root_version", &self.root_version)
            .field("targets_version", &self.targets_version())
            .finish_non_exhaustive()
    }
}

/// The stored list, if the targets keys of the root signed it. Their word is enough for floors and for showing: no
/// snapshot is asked, because a power cut may have left an older one beside it.
fn stored_list(store: &dyn MetadataStore, trusted: &TrustedMetadataSet) -> Result<Option<Listed>> {
    let Some(bytes) = load(store, &Role::Targets.plain_name())? else {
        return Ok(None);
    };
    let role = Role::Targets.as_str();
    let signed_by_root = Metadata::<Targets>::from_slice(&bytes).is_ok_and(|list| {
        let root = trusted.root();
        root.role(role)
            .is_some_and(|holders| list.verify_threshold(&root.keys, holders, role).is_ok())
    });
    if !signed_by_root {
        tracing::info!(
            "the stored list of releases does not verify under the trusted root and is not used"
        );
        return Ok(None);
    }
    match Listed::read(&bytes, None) {
        Ok(listed) => Ok(Some(listed)),
        Err(error) => {
            tracing::warn!(%error, "the stored list of releases cannot be read and is not used");
            Ok(None)
        }
    }
}

/// When the first of the four roles expires.
fn valid_until(trusted: &TrustedMetadataSet) -> Option<Timestamp> {
    let expiries = [
        Some(trusted.root().expires),
        trusted.timestamp().map(|timestamp| timestamp.expires),
        trusted.snapshot().map(|snapshot| snapshot.expires),
        trusted
            .targets_role(Role::Targets.as_str())
            .map(|targets| targets.expires),
    ];
    expiries
        .into_iter()
        .try_fold(Timestamp::MAX, |first, expiry| Some(first.min(expiry?)))
}
