//! Programs on this host that look at something: Nagios plugins and scripts.
//!
//! | item | value | options |
//! |---|---|---|
//! | `plugin:NAME` | the first figure of a plugin, or its text; with its verdict | `arguments` |
//! | `plugin:NAME/LABEL` | each of its figures | `arguments` |
//! | `script:NAME` | the exit status of a script | `arguments` |
//! | `script:NAME/PART` | each `PART=VALUE` that it prints | `arguments` |
//!
//! Which programs there are is said by the host itself ([`Permits`](crate::Permits)): names are looked for in its
//! directories, or are whole commands of its own. The server chooses among them, and gives arguments only where the
//! host lets it.
//!
//! A program runs without a shell, in a group of its own that is killed at the deadline, as the user of `[probes]`
//! when the agent is root, and with these environment variables alone: `LC_ALL=C`, `PATH`, `LOCKSTEP_HOST` (whom it is
//! about), `LOCKSTEP_ADDRESS` (of a watched host), `LOCKSTEP_ITEM`, and `LOCKSTEP_STATE_DIR` (a directory of its own,
//! where there can be one). Four run at the same time; others wait.
//!
//! # Several items by JSON
//!
//! When the first byte of the output is `{`, it is a document with several items:
//!
//! ```json
//! { "text": "2 of 3 pools are well",
//!   "items": [ { "name": "pool-a", "value": 82.5, "unit": "%", "level": "sick", "text": "nearly full" },
//!              { "name": "pool-b", "value": "online", "level": "fine" },
//!              { "name": "requests", "value": 4711, "counter": true } ] }
//! ```
//!
//! Only `name` is needed. `value` is a number or a text; without one the item has none, and `text` says why. `unit` is
//! one of those that thresholds have. `level` is one of `fine`, `soso`, `sick`, `critical` and `dead`, or its rank from
//! 0 to 4. A number with `"counter": true` is shown as what it gains in a second. The exit status counts as ever.

mod json;
mod plugin;
mod program;
mod run;
mod script;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::probe::{Order, Probe};

/// The command that an entry names, if it names one.
pub(crate) fn find(order: &Order) -> Option<Result<Arc<dyn Probe>, String>> {
    match order.probe() {
        "plugin" => Some(plugin::plugin(order)),
        "script" => Some(script::script(order)),
        _ => None,
    }
}
