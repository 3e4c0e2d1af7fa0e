//! Wishes of operators for one host.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HostWish, Interval, RunId, WishState};

/// `POST /api/v1/hosts/NAME/reboot` and `…/restart-agent`; `DELETE` of the same takes a wish back that was not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WishOrder {
    /// Why; at most [`HostWish::LONGEST_WHY`] bytes, and not empty.
    pub why: String,
    /// After this time it is void; [`HostWish::LASTS`] if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Interval>,
}

/// A wish, and where it stands. `GET /api/v1/hosts/NAME/wishes` has the newest of each verb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WishView {
    /// The wish.
    #[serde(flatten)]
    pub wish: HostWish,
    /// Where it stands.
    pub state: WishState,
    /// What the host says of it, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// The run that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Who has taken it back, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<TakenBack>,
}

/// Who has taken a wish back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}
