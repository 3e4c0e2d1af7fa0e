//! The web pages: pure functions from views to HTML, and from numbers to drawings.
//!
//! Nothing here reads a clock, a file or the network. `server::pages` fetches the views by the same services that answer
//! `/api/v1`, and calls these functions. What is drawn is escaped by the templates; no text of a host, a user or a fleet file
//! becomes markup.
//!
//! * [`frame`] is what all pages have in common;
//! * [`parts`] are what several pages share: levels, times, actions, empty states;
//! * [`chart`] draws histories as SVG;
//! * [`assets`] are the style sheet and the script;
//! * each page has a module of its own.

pub mod admin;
pub mod assets;
pub mod board_at;
pub mod chart;
pub mod events;
pub mod frame;
pub mod graphs;
pub mod host;
pub mod hosts;
pub mod item;
pub mod items;
pub mod live;
pub mod locks;
pub mod me;
pub mod parts;
pub mod problems;
pub mod releases;
pub mod rollout;
pub mod rollouts;
pub mod runs;
pub mod search;
pub mod sign_in;
pub mod silences;
mod views;
pub mod wrong;

pub use frame::{Frame, Here, Strip, Topic, Viewer};
