//! The messages of the two APIs: between server and agents, and between server and operators.

pub mod operator;

mod agent;

pub use agent::{
    AgentHeaders, Desired, EnrollAnswer, EnrollRequest, Facts, Installed, RenewAnswer,
    RenewRequest, Report, ReportAnswer, RunStatus, Updates,
};
