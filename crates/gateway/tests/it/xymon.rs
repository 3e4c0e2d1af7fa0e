//! Xymon: Debian's own client, tools and server against ours.

mod asked;
mod hostile;
mod matrix;
mod reload;
mod secure;
mod update;
mod world;
