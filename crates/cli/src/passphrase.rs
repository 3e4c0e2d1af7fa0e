//! The passphrase of the publisher's keys: from a file, or from the terminal without an echo. Never from the
//! arguments, where every user of the machine could read it.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

use crate::{env, out};

/// Options of every command that opens the publisher's keys.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PassphraseArgs {
    /// A file whose first line is the passphrase of the keys; without it the terminal is asked
    #[arg(long, value_name = "FILE", env = env::PASSPHRASE_FILE)]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// Shortest passphrase that new keys are encrypted with, in characters.
const SHORTEST: usize = 8;

impl PassphraseArgs {
    /// The passphrase of keys that exist.
    pub(crate) fn of_keys(&self) -> anyhow::Result<String> {
        match &self.passphrase_file {
            Some(path) => read_file(path),
            None => ask("Passphrase of the keys: "),
        }
    }

    /// A passphrase for new keys; a person is asked twice.
    pub(crate) fn of_new_keys(&self) -> anyhow::Result<String> {
        let passphrase = match &self.passphrase_file {
            Some(path) => read_file(path)?,
            None => {
                let first = ask("New passphrase of the keys: ")?;
                ensure!(
                    first == ask("The same again: ")?,
                    "the two passphrases differ; nothing was written"
                );
                first
            }
        };
        ensure!(
            passphrase.chars().count() >= SHORTEST,
            "a passphrase needs at least {SHORTEST} characters"
        );
        Ok(passphrase)
    }
}

fn read_file(path: &PathBuf) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    let passphrase = text.lines().next().unwrap_or_default().to_owned();
    ensure!(
        !passphrase.is_empty(),
        "{}: the first line is empty",
        path.display()
    );
    Ok(passphrase)
}

fn ask(prompt: &str) -> anyhow::Result<String> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() {
        bail!(
            "there is no terminal to ask for the passphrase; name a file with --passphrase-file or {}",
            env::PASSPHRASE_FILE
        );
    }
    terminal
        .write_str(prompt)
        .context("failed to write to the terminal")?;
    let passphrase = terminal
        .read_secure_line()
        .context("failed to read from the terminal")?;
    if passphrase.is_empty() {
        out::note("an empty passphrase was given");
    }
    Ok(passphrase)
}
