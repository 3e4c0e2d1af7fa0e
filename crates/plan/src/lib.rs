//! All decisions as pure functions of (state, now, seed), with their reasons.
//!
//! Nothing in here reads a file, a clock or a random number, waits, or sends: server, agent, simulator and tests
//! call the same functions with the same words and get the same answers. Whatever is decided comes with its reason,
//! a value with one `Display`; that sentence is what the command line prints, what the record keeps, and what the
//! page shows.
//!
//! * [`alert`]: who is told of what, and when;
//! * [`behind`]: which hosts do not run what their channel says;
//! * [`fitness`]: from an item's values to its level, and to the events that tell of it;
//! * [`keep_up`]: how well the hosts of a channel kept up with it;
//! * [`lock`]: who gets a place of a lock, who waits, and who has died with one;
//! * [`past`]: how the fleet stood at a moment that is over, from what is kept of it;
//! * [`policy`]: which agents a server talks to;
//! * [`probation`]: has a new version of the agent proven itself on its host?
//! * [`rollout`]: who is let go, when a rollout holds, halts or is done, and what each host should run;
//! * [`run`]: one change to one host by scripts or a package manager, as a journaled state machine;
//! * [`schedule`]: stable draws and times that are spread over a fleet;
//! * [`sign_in`]: when somebody may try again whose password was wrong;
//! * [`spread`]: when each host begins a change, by a curve over the fleet;
//! * [`stats`]: exact tests for small numbers;
//! * [`throttle`]: how many downloads at once;
//! * [`update`]: the agent's own update as a journaled run.

pub mod alert;
pub mod behind;
pub mod fitness;
pub mod keep_up;
pub mod lock;
pub mod past;
pub mod policy;
pub mod probation;
pub mod rollout;
pub mod run;
pub mod schedule;
pub mod sign_in;
pub mod spread;
pub mod stats;
pub mod throttle;
pub mod update;
pub mod wish;
