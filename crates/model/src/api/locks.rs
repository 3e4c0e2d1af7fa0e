//! Locks on the agent API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Fence, Interval, LockRefusal, RunId};

/// `PUT /agent/v1/locks/NAME` and, for operators, `PUT /api/v1/locks/NAME`: give me a place, or tell me that I still
/// have it. To ask again changes nothing but the time at which the holder last said so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LockRequest {
    /// What for, at most [`LockRequest::LONGEST_REASON`] bytes.
    #[serde(default)]
    pub reason: String,
    /// The run that it is wanted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The host's boot id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Keep a place in the queue for me if there is no place now.
    #[serde(default)]
    pub wait: bool,
}

impl LockRequest {
    /// Longest reason, in bytes.
    pub const LONGEST_REASON: usize = 200;
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "lock", rename_all = "kebab-case")]
pub enum LockAnswer {
    /// Whoever asked has a place.
    Granted {
        /// The number of the grant.
        fence: Fence,
        /// When it was granted.
        since: Timestamp,
        /// When the grant is over unless it is asked for again; none for never.
        lease_until: Option<Timestamp>,
        /// True if whoever asked had it already.
        again: bool,
    },
    /// There is no place now.
    Refused {
        /// Why.
        why: LockRefusal,
        /// The place in the queue, counted from 1, of one who waits.
        position: Option<u32>,
        /// When to ask again. One who waits and has not asked for three times as long loses its turn.
        retry_after: Interval,
    },
}

/// `GET /agent/v1/locks/NAME`: how whoever asks stands to the lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockStanding {
    /// The number of the grant of whoever asks; none if it has none.
    pub fence: Option<Fence>,
    /// When it was granted.
    pub since: Option<Timestamp>,
}

/// The answer to `DELETE …/locks/NAME`. The query `?fence=N` gives back that grant alone: one that has been followed by
/// a later one is not there any more, and nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockReleased {
    /// True if whoever asked had it.
    pub was_held: bool,
}
