//! Which program an entry names, and as whom it runs.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_host::process::User;
use lockstep_model::{Glob, ItemName};

use crate::probe::Order;
use crate::remote::Options;
use crate::{Permits, passwd};

/// What an entry asks for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// The item of the program itself.
    pub(super) item: ItemName,
    /// Which of the items that come with it are wanted, if not all.
    pub(super) parts: Option<Glob>,
    name: String,
    arguments: Vec<String>,
    permits: Arc<Permits>,
    root: PathBuf,
    kind: Kind,
}

/// Where a name is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plugin,
    Script,
}

/// A program that may run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    /// None: as whom the agent runs.
    pub(super) user: Option<User>,
}

/// Longest name of a program, in bytes.
const LONGEST_NAME: usize = 64;

impl Wish {
    /// Reads an entry: `plugin:NAME`, or `plugin:NAME/PART` for one of the items that come with it.
    pub(super) fn of(order: &Order, kind: Kind) -> Result<Self, String> {
        let options = Options::of(order, &["arguments"])?;
        let object = order.object().unwrap_or_default();
        let (name, parts) = match object.split_once('/') {
            Some((name, parts)) => (name, Some(parts)),
            None => (object, None),
        };
        let is_plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '@');
        if name.is_empty()
            || name.len() > LONGEST_NAME
            || name.starts_with(['.', '-'])
            || !name.chars().all(is_plain)
        {
            return Err(format!(
                "{name:?} is not the name of a program: it has 1 to {LONGEST_NAME} letters, digits, and _ - . + @"
            ));
        }
        let item = ItemName::parse(&format!("{}:{name}", order.probe()))?;
        let arguments = options.list("arguments")?;
        let is_own_command = order.permits.commands.contains_key(item.as_str());
        if order.options.contains_key("arguments") {
            if is_own_command {
                return Err(format!(
                    "{item} is a whole command in agent.toml of this host; arguments are written there"
                ));
            }
            if !order.permits.arguments {
                return Err(format!(
                    "this host lets nobody give arguments to programs; write the whole command in its agent.toml, as \
                     [probes.commands] \"{item}\" = […], or set arguments = true there"
                ));
            }
            if let Some(bad) = arguments.iter().find(|argument| argument.contains('\0')) {
                return Err(format!("{bad:?} is no argument"));
            }
        }
        Ok(Self {
            item,
            parts: parts.map(Glob::parse).transpose()?,
            name: name.into(),
            arguments,
            permits: Arc::clone(&order.permits),
            root: order.root.clone(),
            kind,
        })
    }

    /// The program as it is now. It may wait for a disk.
    pub(super) fn program(&self) -> Result<Program, String> {
        let (path, arguments) = match self.permits.commands.get(self.item.as_str()) {
            Some(command) => match command.split_first() {
                Some((program, arguments)) => (PathBuf::from(program), arguments.to_vec()),
                None => {
                    return Err(format!(
                        "the command of {} in agent.toml is empty",
                        self.item
                    ));
                }
            },
            None => (self.search()?, self.arguments.clone()),
        };
        check(&path)?;
        Ok(Program {
            path,
            arguments,
            user: self.user()?,
        })
    }

    fn search(&self) -> Result<PathBuf, String> {
        let (directories, key) = match self.kind {
            Kind::Plugin => (&self.permits.plugins, "plugins"),
            Kind::Script => (&self.permits.scripts, "scripts"),
        };
        let mut paths = directories
            .iter()
            .map(|directory| directory.join(&self.name));
        paths.find(|path| path.exists()).ok_or_else(|| {
            let directories: Vec<_> = directories
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            format!(
                "there is no {} in {}; see [probes] {key} in agent.toml",
                self.name,
                directories.join(", ")
            )
        })
    }

    /// As whom it runs. Root's agent runs nothing as root unless it was told so.
    fn user(&self) -> Result<Option<User>, String> {
        let name = &self.permits.user;
        if !rustix::process::geteuid().is_root() || name == "root" {
            return Ok(None);
        }
        let refuse = |why: &dyn std::fmt::Display| {
            format!("it does not run as {name:?}, the user of [probes] in agent.toml: {why}")
        };
        let users = passwd::read(&self.root)
            .map_err(|error| refuse(&format!("/etc/passwd cannot be read: {error}")))?;
        match passwd::user_of(&users, name) {
            Some(User { uid: 0, .. }) => Err(refuse(&"that is root by another name")),
            Some(user) => Ok(Some(user)),
            None => Err(refuse(&"there is no such user in /etc/passwd")),
        }
    }
}

/// Refuses what cannot run, and what others than its owner can change.
fn check(path: &Path) -> Result<(), String> {
    let refuse = |why: &dyn std::fmt::Display| Err(format!("{} {why}", path.display()));
    if !path.is_absolute() {
        return refuse(&"is not an absolute path; write one in agent.toml");
    }
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return refuse(&format!("cannot be run: {error}")),
    };
    let mode = metadata.permissions().mode();
    let owner = metadata.uid();
    if !metadata.is_file() {
        return refuse(&"is not a program");
    }
    if mode & 0o111 == 0 {
        return refuse(&"is not executable");
    }
    if mode & 0o022 != 0 || (owner != 0 && owner != rustix::process::geteuid().as_raw()) {
        return refuse(&"is not run: others than root and the agent's own user can change it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_leave_their_directory() {
        for bad in [
            "plugin:../../bin/sh",
            "plugin:",
            "plugin:.hidden",
            "plugin:-x",
            "plugin:a b",
            "plugin:*",
            "plugin:/bin/sh",
        ] {
            let order = Order::for_test(bad);
            let why = Wish::of(&order, Kind::Plugin).unwrap_err();
            assert!(why.contains("not the name of a program"), "{bad}: {why}");
        }
        let wish = Wish::of(&Order::for_test("plugin:check_disk//var"), Kind::Plugin).unwrap();
        assert_eq!(wish.item.as_str(), "plugin:check_disk");
        assert_eq!(wish.parts.unwrap().as_str(), "/var");
    }
}
