//! The passphrase of the publisher's keys, and passwords of users: from a file, or from the terminal without an echo.
//! Never from the arguments, where every user of the machine could read them.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use lockstep_model::api::operator::Password;

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

/// Options of commands that give a user a password.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PasswordArgs {
    /// A file whose first line is the password; without it the terminal is asked
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// A new password; a person is asked twice.
    pub(crate) fn new_one(&self) -> anyhow::Result<Password> {
        if let Some(path) = &self.password_file {
            return read_file(path).map(Password);
        }
        let how = "name a file with --password-file";
        let first = ask_terminal("New password: ", "the password", how)?;
        ensure!(
            first == ask_terminal("The same again: ", "the password", how)?,
            "the two passwords differ; nothing was done"
        );
        Ok(Password(first))
    }
}

/// The password that a user has so far.
pub(crate) fn old_password(file: Option<&PathBuf>) -> anyhow::Result<Password> {
    match file {
        Some(path) => read_file(path),
        None => ask_terminal(
            "Old password: ",
            "the old password",
            "name a file with --old-password-file",
        ),
    }
    .map(Password)
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
    let how = format!(
        "name a file with --passphrase-file or {}",
        env::PASSPHRASE_FILE
    );
    let passphrase = ask_terminal(prompt, "the passphrase", &how)?;
    if passphrase.is_empty() {
        out::note("an empty passphrase was given");
    }
    Ok(passphrase)
}

/// Asks the terminal for something that is not shown; without a terminal the error says how else to give it.
fn ask_terminal(prompt: &str, what: &str, how: &str) -> anyhow::Result<String> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() {
        bail!("there is no terminal to ask for {what}; {how}");
    }
    terminal
        .write_str(prompt)
        .context("failed to write to the terminal")?;
    terminal
        .read_secure_line()
        .context("failed to read from the terminal")
}
