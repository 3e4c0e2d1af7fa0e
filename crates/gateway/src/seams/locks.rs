//! Locks: who asks for a place, and who has one.

use jiff::Timestamp;
use lockstep_model::{Fence, Holder, HostName, Interval, LockName, PackageName};

use super::{Gateway, Trouble};

/// Who asks, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockAsk {
    /// By which gateway.
    pub via: Gateway,
    /// Which lock.
    pub lock: LockName,
    /// Which host.
    pub host: HostName,
    /// The package whose rollout decides when the host may begin: while a rollout goes on that has not let it go, no
    /// place is given. A place that is given then is the beginning of a run to the rollout's version, and giving it
    /// back the run's end.
    pub package: Option<PackageName>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockGiven {
    /// The number of the grant.
    pub fence: Fence,
    /// Since when.
    pub since: Timestamp,
    /// True if the host had it already.
    pub again: bool,
}

/// What was said to one who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockSaid {
    /// It has a place.
    Granted(LockGiven),
    /// It has none now.
    Refused {
        /// Why, by a stable code: `held`, `disabled`, `not-let-go`, `fleet-unhealthy` and so on.
        code: &'static str,
        /// Why, in words.
        words: String,
    },
}

/// When a place is free again after its holder said that it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Green {
    /// At once.
    NotAsked,
    /// When the host is fine: heard of, and no item at `sick` or worse; at the latest after this time. A host of whose
    /// health nothing is known is fine.
    Within(Interval),
}

/// One who has a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSeenHolder {
    /// Who.
    pub holder: Holder,
    /// The number of the grant.
    pub fence: Fence,
    /// Since when.
    pub since: Timestamp,
    /// When it last said so.
    pub renewed_at: Timestamp,
    /// True if it has said that it is done, and its place is kept until it is fine.
    pub steady: bool,
}

/// A lock, for those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSeen {
    /// Its name.
    pub name: LockName,
    /// Its holders.
    pub holders: Vec<LockSeenHolder>,
    /// False while an operator has disabled it.
    pub enabled: bool,
}

/// The server's locks.
pub trait Locks: Send + Sync + 'static {
    /// The time.
    fn lock_time(&self) -> Timestamp;

    /// Asks for a place. Asking again for what one has renews it.
    fn acquire(&self, ask: LockAsk) -> impl Future<Output = Result<LockSaid, Trouble>> + Send;

    /// Gives a place back. True if there was one. With [`Green::Within`] a place may stay taken for a while, and `true`
    /// says that the wish is stored.
    fn release(
        &self,
        ask: LockAsk,
        green: Green,
    ) -> impl Future<Output = Result<bool, Trouble>> + Send;

    /// A lock; none where nobody ever asked for it and the fleet file does not name it.
    fn look(
        &self,
        lock: &LockName,
    ) -> impl Future<Output = Result<Option<LockSeen>, Trouble>> + Send;

    /// All locks by name.
    fn list(&self) -> impl Future<Output = Result<Vec<LockSeen>, Trouble>> + Send;

    /// Makes a lock known of which nobody has heard, as some protocols do at the first word of it.
    fn mention(&self, lock: &LockName) -> impl Future<Output = Result<(), Trouble>> + Send;
}
