//! Pictures of pages, for people to look at.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::json;

use super::page::Page;

/// The environment variable that names the directory for screenshots. Without it none are written.
pub(super) const SCREENSHOTS: &str = "LOCKSTEP_SCREENSHOTS";

impl Page {
    /// A picture of what the window shows, as PNG.
    #[must_use]
    #[track_caller]
    pub fn png(&self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let data = answer["data"].as_str().unwrap_or_default();
        let data = base64::engine::general_purpose::STANDARD.decode(data);
        data.expect("Chromium sends base64")
    }

    /// Writes a picture of the window as `NAME.png` into the directory that `LOCKSTEP_SCREENSHOTS` names; does nothing
    /// if none is named.
    #[track_caller]
    pub fn screenshot(&self, name: &str) {
        if let Some(directory) = std::env::var_os(SCREENSHOTS) {
            self.screenshot_into(&PathBuf::from(directory), name);
        }
    }

    /// Writes a picture of the window as `NAME.png` into this directory.
    #[track_caller]
    pub fn screenshot_into(&self, directory: &Path, name: &str) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a picture need not survive a power cut"
        )]
        let written = std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(directory.join(format!("{name}.png")), self.png()));
        if let Err(error) = written {
            panic!("writing a picture into {}: {error}", directory.display());
        }
    }
}
