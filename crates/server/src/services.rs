//! What the server does, one module for each thing it speaks of, between the handlers and the store. There is one
//! path for each thing: whoever enrols, reports or orders comes through here.

pub(crate) mod audit;
pub(crate) mod enrolment;
pub(crate) mod hosts;
pub(crate) mod orders;
pub(crate) mod publishing;
pub(crate) mod releases;
pub(crate) mod reports;
pub(crate) mod rollouts;
pub(crate) mod settings;
pub(crate) mod tokens;
