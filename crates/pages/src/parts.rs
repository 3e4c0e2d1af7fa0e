//! What several pages share.

pub mod action;
pub mod during;
pub mod empty;
pub mod lasts;
pub mod level;
pub mod link;
pub mod pager;
pub mod text;
pub mod time;
