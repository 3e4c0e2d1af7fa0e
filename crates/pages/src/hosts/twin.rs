//! The commands that do what is done with hosts: the list with its filters, and what is done with the hosts that it names.

use super::Ask;
use crate::parts::action::word;

impl Ask {
    /// The command that lists the same hosts.
    #[must_use]
    pub fn command(&self) -> String {
        let mut command = "lockstep host list".to_owned();
        for (name, value) in self.chosen() {
            let option = match name {
                "q" => "search",
                "in_run" => "in-run",
                "patch_age" => "patch-age",
                other => other,
            };
            command += &match value.as_str() {
                "true" if !["q", "group", "label", "package", "version", "os"].contains(&name) => {
                    format!(" --{option}")
                }
                // What begins with a hyphen is no option.
                value => format!(" --{option}={}", word(value)),
            };
        }
        command
    }

    /// The command that does something with each of these hosts; `{}` in it is the host's name.
    pub(super) fn command_for_each(&self, does: &str) -> String {
        format!("{} --names | xargs -I{{}} {does}", self.command())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_command() {
        let command = |question: &str| Ask::parse(question).unwrap().command();
        assert_eq!(command("view=matrix&page=3"), "lockstep host list");
        assert_eq!(
            command(
                "q=web+front&level=3&silent=true&label=rack%3Dr7&patch_age=7d&rollout=4&wave=1"
            ),
            "lockstep host list --search='web front' --level=3 --silent --label=rack=r7 --patch-age=7d --rollout=4 --wave=1"
        );
        assert_eq!(command("q=true"), "lockstep host list --search=true");
        assert_eq!(
            Ask::parse("group=web")
                .unwrap()
                .command_for_each("lockstep host report {}"),
            "lockstep host list --group=web --names | xargs -I{} lockstep host report {}"
        );
    }
}
