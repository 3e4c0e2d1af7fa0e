//! The messages of the two APIs: between server and agents, and between server and operators.

pub mod operator;

mod agent;

pub use agent::{
    AgentHeaders, Ask, Backfill, Desired, EnrollAnswer, EnrollRequest, EventBatch, EventsStored,
    Facts, Installed, Query, QueryAnswer, RenewAnswer, RenewRequest, Report, ReportAnswer,
    RunStatus, Snapshot, StoredEvent, Updates, WatchedReport, WorkAnswer,
};
