//! The messages of the two APIs: between server and agents, and between server and operators.

pub mod operator;

mod agent;
mod locks;
mod notes;

pub use agent::{
    AgentHeaders, Ask, Backfill, Desired, EnrollAnswer, EnrollRequest, EventBatch, EventsStored,
    Facts, Installed, Kept, Query, QueryAnswer, RenewAnswer, RenewRequest, Report, ReportAnswer,
    RunStatus, Snapshot, StoredEvent, Updates, WatchedReport, WorkAnswer,
};
pub use locks::{LockAnswer, LockReleased, LockRequest, LockStanding};
pub use notes::{ItemNow, Notes, NowQuery, ProcessSeen, ProcessesSeen, ProgramSeen};
