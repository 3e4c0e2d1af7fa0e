//! Which hosts are listed: the filters of the page of hosts.

use lockstep_model::Interval;

use crate::cmd::event::rank;

/// Longest words that the server takes.
const LONGEST: usize = 500;

/// Options that say which hosts.
#[derive(Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub(super) struct Filter {
    /// Words, each of which is a part of a name, a label, a group, an operating system or a version
    #[arg(long, value_name = "WORDS", value_parser = words, help_heading = "Which hosts")]
    search: Option<String>,
    /// At exactly this level
    #[arg(long, value_name = "LEVEL", value_parser = rank, help_heading = "Which hosts")]
    level: Option<u8>,
    /// Of this group
    #[arg(long, value_name = "GROUP", value_parser = words, help_heading = "Which hosts")]
    group: Option<String>,
    /// With this label; up to ten times
    #[arg(long, value_name = "NAME=VALUE", value_parser = words, help_heading = "Which hosts")]
    label: Vec<String>,
    /// With this package
    #[arg(long, value_name = "PACKAGE", value_parser = words, help_heading = "Which hosts")]
    package: Option<String>,
    /// With this version of the package, or of the agent
    #[arg(long, value_name = "VERSION", value_parser = words, help_heading = "Which hosts")]
    version: Option<String>,
    /// With this operating system, in its own words
    #[arg(long, value_name = "OS", value_parser = words, help_heading = "Which hosts")]
    os: Option<String>,
    /// Of which nothing is heard
    #[arg(long, help_heading = "Which hosts")]
    silent: bool,
    /// That a run is changing
    #[arg(long, help_heading = "Which hosts")]
    in_run: bool,
    /// With problems that nobody is on and nothing explains
    #[arg(long, help_heading = "Which hosts")]
    unhandled: bool,
    /// That a silence keeps quiet as a whole
    #[arg(long, help_heading = "Which hosts")]
    silenced: bool,
    /// With packages that can be updated
    #[arg(long, help_heading = "Which hosts")]
    updates: bool,
    /// With security fixes that wait
    #[arg(long, help_heading = "Which hosts")]
    security: bool,
    /// With a security fix that has been waiting for longer
    #[arg(long, value_name = "TIME", help_heading = "Which hosts")]
    patch_age: Option<Interval>,
    /// That want to be rebooted
    #[arg(long, help_heading = "Which hosts")]
    reboot: bool,
    /// Whose agent is not in the version that is wanted
    #[arg(long, help_heading = "Which hosts")]
    behind: bool,
    /// In a wave of this rollout, the newest of its channel
    #[arg(long, value_name = "ID", help_heading = "Which hosts")]
    rollout: Option<u64>,
    /// In this wave of a rollout, from 1
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Which hosts")]
    wave: Option<u32>,
}

impl Filter {
    /// The path that asks the server for these hosts.
    pub(super) fn path(&self) -> String {
        let yes = |flag: bool| flag.then(|| "true".to_owned());
        let mut parts = vec![
            ("q", self.search.clone()),
            ("level", self.level.map(|rank| rank.to_string())),
            ("group", self.group.clone()),
            ("package", self.package.clone()),
            ("version", self.version.clone()),
            ("os", self.os.clone()),
            ("silent", yes(self.silent)),
            ("in_run", yes(self.in_run)),
            ("unhandled", yes(self.unhandled)),
            ("silenced", yes(self.silenced)),
            ("updates", yes(self.updates)),
            ("security", yes(self.security)),
            ("patch_age", self.patch_age.map(|age| age.to_string())),
            ("reboot", yes(self.reboot)),
            ("behind", yes(self.behind)),
            ("rollout", self.rollout.map(|id| id.to_string())),
            ("wave", self.wave.map(|wave| wave.to_string())),
        ];
        parts.extend(self.label.iter().map(|it| ("label", Some(it.clone()))));
        let mut question = form_urlencoded::Serializer::new(String::new());
        for (name, value) in parts {
            if let Some(value) = value {
                question.append_pair(name, &value);
            }
        }
        match question.finish() {
            question if question.is_empty() => "hosts".into(),
            question => format!("hosts?{question}"),
        }
    }
}

/// Words that the server takes. An empty one it takes for none, and would list all hosts.
fn words(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("say which, not nothing".into()),
        1..=LONGEST => Ok(text.to_owned()),
        _ => Err(format!("at most {LONGEST} bytes are taken")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        filter: Filter,
    }

    fn path(words: &[&str]) -> Result<String, clap::Error> {
        let line = Line::try_parse_from([&["list"], words].concat())?;
        Ok(line.filter.path())
    }

    #[test]
    fn options_are_the_filters_of_the_page() {
        assert_eq!(path(&[]).unwrap(), "hosts");
        assert_eq!(
            path(&[
                "--search=web front",
                "--level",
                "critical",
                "--label=rack=r7",
                "--label=a=b",
                "--silent"
            ])
            .unwrap(),
            "hosts?q=web+front&level=3&silent=true&label=rack%3Dr7&label=a%3Db"
        );
        assert_eq!(
            path(&["--patch-age=7d", "--rollout=4", "--wave=1", "--in-run"]).unwrap(),
            "hosts?in_run=true&patch_age=7d&rollout=4&wave=1"
        );
        for wrong in ["--level=bad", "--group=", "--wave=0", "--patch-age=old"] {
            assert!(path(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_commands_that_the_page_shows_are_understood() {
        let shown = "--search=web --level=3 --silent --in-run --unhandled --group=g --label=a=b --package=p --version=1.0 \
            --os=x --updates --security --patch-age=7d --reboot --behind --silenced --rollout=4 --wave=1";
        let words: Vec<&str> = shown.split_whitespace().collect();
        let path = path(&words).unwrap();
        assert_eq!(path.matches('&').count() + 1, words.len(), "{path}");
    }
}
