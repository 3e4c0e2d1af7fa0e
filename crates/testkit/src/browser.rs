//! A real browser for tests: Chromium without a window, spoken to over a pipe.
//!
//! The language is the Chrome DevTools Protocol (<https://chromedevtools.github.io/devtools-protocol/>), one JSON object
//! for each message with a zero byte behind it, over two pipes that Chromium inherits (`--remote-debugging-pipe`). So
//! there is no port to find, no driver program to match with the browser, and no client library to build: and Chromium
//! ends by itself when the pipe is closed, however this process ends.
//!
//! [`Browser`] is one Chromium with a directory of its own. [`Browser::visit`] gives a [`Page`] in a context of its own:
//! another visitor, with cookies of its own. Like all helpers of tests they fail by panicking, with what they saw.
//!
//! A page is watched from its first moment. What goes wrong while it is looked at is a complaint: a warning or an error
//! in the console, which includes what the page's own security policy refused; an exception that nobody caught; a
//! request that failed, or was answered with 400 or more; a request to any host but the one visited. A page that
//! is let go with complaints fails the test, so nobody forgets to ask; a test that wants one takes it with
//! [`Page::take_complaints`].

mod axe;
mod find;
mod hand;
mod keys;
mod page;
mod picture;
mod pipe;
mod sight;
mod start;
mod witness;

pub use axe::Finding;
pub use page::{Colours, Page, Window};

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use pipe::Pipe;

/// How long a page may take to become as a test wants it, and the browser to answer. Its first start on a busy machine that
/// has to read it from disk takes twenty seconds and more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running Chromium.
#[derive(Debug)]
pub struct Browser {
    pipe: Arc<Pipe>,
}

impl Browser {
    /// Starts Chromium. It believes this certificate authority, in PEM, besides those that every browser believes.
    ///
    /// # Errors
    /// Says what is missing, or shows what Chromium said.
    pub fn start(ca_pem: Option<&str>) -> anyhow::Result<Self> {
        let pipe = Arc::new(Pipe::new(start::chromium(ca_pem)?));
        // An answer means that it is up.
        pipe.call(None, "Browser.getVersion", json!({}))?;
        Ok(Self { pipe })
    }

    /// A new visitor of this site (`https://127.0.0.1:7443`, say), with a page that shows nothing yet.
    ///
    /// # Panics
    /// If Chromium does not make one.
    #[must_use]
    pub fn visit(&self, origin: &str) -> Page {
        let made = self
            .pipe
            .call(None, "Target.createBrowserContext", json!({}));
        let context = made
            .ok()
            .as_ref()
            .and_then(|it| it.get("browserContextId"))
            .and_then(Value::as_str)
            .map(String::from);
        let context = context.expect("Chromium makes a context");
        Page::open(&self.pipe, &context, origin)
    }

    /// The process id of Chromium's first process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pipe.pid()
    }
}
