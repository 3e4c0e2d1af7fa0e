//! Packages: which version a channel has come to, and the files of its release.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{ChannelName, ContentHash, HostName, PackageName, Version};

use super::Trouble;

/// A release that can be handed out.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// The signed release's bundle.
    pub hash: ContentHash,
    /// When it was published.
    pub published_at: Timestamp,
}

/// The files of a release, unpacked and checked against its hash. They stay as long as this is held.
#[derive(Clone)]
pub struct Tree {
    /// The directory: the bundle's files, without its manifest. Nothing in it is a link that leads out of it.
    pub root: PathBuf,
    /// Keeps the directory.
    pub keep: Arc<dyn std::any::Any + Send + Sync>,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// A place among the downloads of this server, free again when it is dropped.
pub struct Ticket(pub Box<dyn std::any::Any + Send + Sync>);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

/// The server's releases.
pub trait Packages: Send + Sync + 'static {
    /// What someone who asks gets of a package: for a host that follows it, what [`super::Hosts::wanted`] says; for
    /// everybody else the newest version whose rollout to the channel is done, or where none ever ended, none.
    fn newest(
        &self,
        package: &PackageName,
        channel: &ChannelName,
        host: Option<&HostName>,
    ) -> impl Future<Output = Result<Option<Offer>, Trouble>> + Send;

    /// A listed release by its version, the one for any platform or for this server's.
    fn find(
        &self,
        package: &PackageName,
        version: &Version,
    ) -> impl Future<Output = Result<Option<Offer>, Trouble>> + Send;

    /// The files of a release. They are unpacked once and kept for a while.
    fn open(&self, offer: &Offer) -> impl Future<Output = Result<Tree, Trouble>> + Send;

    /// Takes a place among the downloads, or says that there is none ([`Trouble::Busy`]), or that nothing is handed out
    /// ([`Trouble::Off`]).
    fn admit(&self) -> impl Future<Output = Result<Ticket, Trouble>> + Send;

    /// True while updates are switched on for all.
    fn updates(&self) -> impl Future<Output = Result<bool, Trouble>> + Send;
}
