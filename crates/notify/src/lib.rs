//! Ways by which messages leave the server.
//!
//! A [`Notifier`] renders a [`Notice`] for a [`Way`] and delivers it once: by mail, as a
//! webhook in Alertmanager's shape, to a topic of an ntfy server, to any HTTP service with a body from a template, or
//! to a program. What failed says whether another attempt makes sense ([`Failed`]); when that is, and who is told
//! instead, is decided elsewhere.
//!
//! * **No secret is repeated.** Addresses of webhooks hold tokens, so errors and [`describe`] show scheme and host
//!   alone. What is in files is read anew for each message and sent nowhere but to its way.
//! * **Values are strangers.** Whatever an item says, it stays one line in a header, text in HTML, and a string in
//!   JSON. No shell is involved.
//! * **Everything is bounded**: texts, bodies, answers and time.

mod deliver;
mod exec;
mod html;
mod http;
mod mail;
mod ntfy;
#[cfg(test)]
mod samples;
mod secret;
mod settings;
mod template;
mod text;
mod webhook;

pub use deliver::{Delivered, Failed, Notifier, describe};
pub use settings::{MailSettings, MailTls, Settings};
pub use template::{TemplateError, check_template};
pub use webhook::{SIGNATURE, TIMESTAMP};

// For the documentation above.
#[cfg(doc)]
use lockstep_model::alert::{Notice, Way};
