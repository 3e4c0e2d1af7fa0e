//! What the server's configuration says of messages.

use std::path::PathBuf;
use std::time::Duration;

/// How messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The mail server; none if there is none to be used.
    pub mail: Option<MailSettings>,
    /// Authorities (PEM) that web servers are believed by, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a message may take, connecting included.
    pub timeout: Duration,
    /// How long a program may run.
    pub program_timeout: Duration,
}

impl Default for Settings {
    /// No mail; the system's authorities; 10, 30 and 30 seconds.
    fn default() -> Self {
        Self {
            mail: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            program_timeout: Duration::from_secs(30),
        }
    }
}

/// The mail server that takes what is sent (SMTP, RFC 5321).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSettings {
    /// Its name or address.
    pub server: String,
    /// Its port; none for the usual one: 587 with STARTTLS, 465 with TLS, 25 without.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Who we are there; none for no authentication.
    pub user: Option<String>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// The sender: `lockstep@example.org`, or `Lockstep <lockstep@example.org>`.
    pub from: String,
    /// Authorities (PEM) that the mail server is believed by, in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// How a connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// It begins in the clear and goes over to TLS, or is given up (RFC 3207).
    Starttls,
    /// TLS from the beginning (RFC 8314).
    Tls,
    /// In the clear: for a mail server on the same machine.
    None,
}

impl MailSettings {
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        })
    }
}
