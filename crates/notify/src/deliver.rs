//! One message by one way.

use std::fmt;
use std::time::Duration;

use lockstep_model::alert::{Notice, Way};
use lockstep_net::Clock;
use lockstep_net::client::Poster;
use tokio::sync::OnceCell;

use crate::settings::Settings;
use crate::{exec, http, mail, ntfy, template, webhook};

/// Delivers messages. Clones would share nothing worth sharing: one serves a whole server.
pub struct Notifier {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    /// Made when it is needed first: a server that sends mail alone needs no authorities of the web.
    poster: OnceCell<Poster>,
}

/// It was accepted at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// What was said to it, in one line.
    pub answer: String,
}

/// It was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failed {
    /// What was attempted and what went wrong, in one line, without secrets.
    pub why: String,
    /// Whether the same message may get through later. False when it was refused for good.
    pub again: bool,
    /// When the other end wishes to be asked again.
    pub retry_after: Option<Duration>,
}

impl Failed {
    /// Later it may get through.
    pub(crate) fn for_now(why: impl fmt::Display) -> Self {
        Self::new(&why.to_string(), true)
    }

    /// It will never get through as it is.
    pub(crate) fn for_good(why: impl fmt::Display) -> Self {
        Self::new(&why.to_string(), false)
    }

    pub(crate) fn new(why: &str, again: bool) -> Self {
        Self {
            why: crate::text::line(why, 1000),
            again,
            retry_after: None,
        }
    }
}

impl Notifier {
    /// A notifier. Files that the settings name are read when they are needed.
    #[must_use]
    pub fn new(settings: Settings, clock: &Clock) -> Self {
        Self {
            settings,
            clock: clock.clone(),
            poster: OnceCell::new(),
        }
    }

    /// Delivers a message, once.
    ///
    /// # Errors
    /// When it was not accepted at the other end, or is not known to be.
    pub async fn deliver(&self, way: &Way, notice: &Notice) -> Result<Delivered, Failed> {
        let outcome = match way {
            Way::Mail { to } => mail::deliver(self, to, notice).await,
            Way::Webhook { url, secret_file } => {
                webhook::deliver(self, url, secret_file.as_deref(), notice).await
            }
            Way::Ntfy { url, token_file } => {
                ntfy::deliver(self, url, token_file.as_deref(), notice).await
            }
            Way::Template {
                url,
                method,
                headers,
                header_files,
                body,
            } => {
                let request = template::Request {
                    url,
                    method,
                    headers,
                    header_files,
                    body,
                };
                template::deliver(self, &request, notice).await
            }
            Way::Exec { command } => exec::deliver(self, command, notice).await,
        };
        match &outcome {
            Ok(delivered) => tracing::info!(
                notice = notice.id, receiver = notice.receiver, way = %describe(way),
                answer = delivered.answer, "a message was delivered"
            ),
            Err(failed) => tracing::warn!(
                notice = notice.id, receiver = notice.receiver, way = %describe(way),
                again = failed.again, why = failed.why, "a message was not delivered"
            ),
        }
        outcome
    }

    pub(crate) async fn poster(&self) -> Result<&Poster, Failed> {
        self.poster.get_or_try_init(|| http::poster(self)).await
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A way in words, without secrets: `mail to ann@example.org`, `webhook at https://hooks.example.org`.
#[must_use]
pub fn describe(way: &Way) -> String {
    match way {
        Way::Mail { to } => format!("mail to {}", crate::text::line(to, 320)),
        Way::Webhook { url, .. } => format!("webhook at {}", http::shown(url)),
        Way::Ntfy { url, .. } => format!("ntfy at {}", http::shown(url)),
        Way::Template { url, method, .. } => {
            format!("{} to {}", crate::text::line(method, 10), http::shown(url))
        }
        Way::Exec { command } => {
            let program = command.first().map_or("", String::as_str);
            format!("program {}", crate::text::line(program, 256))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_described_without_its_secrets() {
        let webhook = Way::Webhook {
            url: "https://hooks.example.org/services/secret?token=secret".into(),
            secret_file: None,
        };
        assert_eq!(describe(&webhook), "webhook at https://hooks.example.org");
        let program = Way::Exec {
            command: vec!["/usr/bin/page".into(), "secret".into()],
        };
        assert_eq!(describe(&program), "program /usr/bin/page");
    }
}
