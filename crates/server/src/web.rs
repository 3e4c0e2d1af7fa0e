//! What both listeners have in common: refusals as problem documents, bounded bodies, request ids, limits of time
//! and number. No handler of this crate answers with anything else.

mod body;
mod compression;
mod cookies;
mod drain;
mod etag;
mod form;
mod layers;
mod params;
mod refusal;
mod same_origin;
mod visitors;

pub(crate) use body::{JsonBody, collect};
pub(crate) use compression::compressed;
pub(crate) use cookies::cookie;
pub(crate) use etag::{tagged, unconditional};
pub(crate) use form::{FormBody, Nothing, OpenForm};
pub(crate) use layers::{listener, quick, to_the_end};
pub(crate) use params::{Id, Named, Pair, Question};
pub(crate) use refusal::Refusal;
pub(crate) use same_origin::same_origin;
pub(crate) use visitors::{FailedVisits, household, peer_ip};
