//! Which hosts are asked for.

use std::sync::Arc;

use lockstep_model::{ContentHash, Interval, PackageName};

use super::{Ask, HostLine};

/// Words that are looked for at once; further ones are not looked at.
const MOST_WORDS: usize = 10;

/// The hosts that are asked for, in the order in which they came.
#[must_use]
pub fn those<'a>(hosts: &'a [Arc<HostLine>], ask: &Ask) -> Vec<&'a HostLine> {
    let words: Vec<String> = ask
        .q
        .split_whitespace()
        .take(MOST_WORDS)
        .map(str::to_lowercase)
        .collect();
    let hosts = hosts.iter().map(|line| &**line);
    hosts.filter(|line| fits(line, ask, &words)).collect()
}

/// A hash of the names of the hosts that were found, in whatever order they stand. Whoever acts on all of them sends it back:
/// others may be found by then, and be as many. It keeps nobody out, so half of a SHA-256 is enough.
#[must_use]
pub fn names_hash(found: &[&HostLine]) -> String {
    let mut names: Vec<&str> = found.iter().map(|it| it.view.name.as_str()).collect();
    names.sort_unstable();
    // No name has the end of a line in it.
    let mut hash = ContentHash::of(names.join("\n").as_bytes()).to_string();
    hash.truncate(32);
    hash
}

fn fits(line: &HostLine, ask: &Ask, words: &[String]) -> bool {
    ask.level.is_none_or(|level| line.view.level == level)
        && (!ask.silent || line.silent)
        && (!ask.in_run || line.in_run.is_some())
        && (!ask.unhandled || line.unhandled > 0)
        && ask
            .group
            .as_ref()
            .is_none_or(|group| line.groups.contains(group))
        && ask
            .labels
            .iter()
            .all(|(key, value)| line.labels.get(key) == Some(value))
        && runs(line, ask.package.as_deref(), ask.version.as_deref())
        && ask.os.as_ref().is_none_or(|os| line.view.os == *os)
        && (!ask.behind || line.is_behind())
        && (!ask.silenced || line.quiet.is_some())
        && is_in_wave(line, ask)
        && is_as_fresh(line, ask)
        && words.iter().all(|word| says(line, word))
}

/// True if the host is in the rollout, and in the wave of it, that are named.
fn is_in_wave(line: &HostLine, ask: &Ask) -> bool {
    if ask.rollout.is_none() && ask.wave.is_none() {
        return true;
    }
    line.waves.iter().any(|(rollout, wave)| {
        ask.rollout.is_none_or(|it| it == *rollout) && ask.wave.is_none_or(|it| it == *wave)
    })
}

/// True if what waits on the host is what is asked for.
fn is_as_fresh(line: &HostLine, ask: &Ask) -> bool {
    if !(ask.updates || ask.security || ask.reboot || ask.patch_age.is_some()) {
        return true;
    }
    let fresh = line.items.freshness();
    let waits_longer = |age: Interval| fresh.waiting.is_some_and(|it| it > age.seconds());
    (!ask.updates || fresh.updates)
        && (!ask.security || fresh.security)
        && (!ask.reboot || fresh.reboot)
        && ask.patch_age.is_none_or(waits_longer)
}

/// True if the host has the package, in the version, of those that are named.
fn runs(line: &HostLine, package: Option<&str>, version: Option<&str>) -> bool {
    if package.is_none() && version.is_none() {
        return true;
    }
    let own = PackageName::lockstep();
    let package = package.unwrap_or(own.as_str());
    let of_agent = line
        .view
        .version
        .iter()
        .map(|version| (own.as_str(), version));
    let of_others = line.view.packages.iter();
    let of_others = of_others.map(|it| (it.package.as_str(), &it.version));
    of_agent.chain(of_others).any(|(name, installed)| {
        name == package && version.is_none_or(|version| installed.to_string() == version)
    })
}

/// True if the word, which is in lower case, is a part of what is known of the host.
fn says(line: &HostLine, word: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(word);
    let view = &line.view;
    view.name.as_str().contains(word)
        || has(&view.os)
        || line.groups.iter().any(|group| has(group))
        || line
            .labels
            .iter()
            .any(|(key, value)| has(&format!("{key}={value}")))
        || view
            .version
            .as_ref()
            .is_some_and(|version| has(&version.to_string()))
        || view
            .packages
            .iter()
            .any(|it| has(&format!("{} {}", it.package, it.version)))
        || view
            .via
            .as_ref()
            .is_some_and(|via| via.as_str().contains(word))
        || view.gateway.as_deref().is_some_and(has)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use lockstep_model::{Level, RolloutId, Version};

    use super::super::Hushed;
    use super::super::tests::{fleet, line, state};
    use super::*;

    fn names(hosts: &[Arc<HostLine>], question: &str) -> Vec<String> {
        let found = those(hosts, &Ask::parse(question).unwrap());
        found
            .iter()
            .map(|line| line.view.name.to_string())
            .collect()
    }

    #[test]
    fn words_are_parts_of_what_is_known() {
        let mut web = line("web1");
        web.groups = vec!["Front".into()];
        web.labels.insert("rack".into(), "R7".into());
        let hosts = [Arc::new(web), Arc::new(line("db1"))];
        for (question, found) in [
            ("q=EB1", vec!["web1"]),
            ("q=front", vec!["web1"]),
            ("q=rack%3Dr7", vec!["web1"]),
            ("q=debian", vec!["web1", "db1"]),
            ("q=1.4+r7", vec!["web1"]),
            ("q=1.4+r8", vec![]),
            ("group=Front", vec!["web1"]),
            ("group=front", vec![]),
            ("label=rack%3DR7", vec!["web1"]),
            ("label=rack%3DR", vec![]),
            ("version=1.4.2", vec!["web1", "db1"]),
            ("version=1.4", vec![]),
            ("package=lockstep", vec!["web1", "db1"]),
            ("package=nginx", vec![]),
        ] {
            assert_eq!(names(&hosts, question), found, "{question}");
        }
    }

    #[test]
    fn what_waits_and_what_is_quiet_is_found() {
        let mut web = line("web1");
        web.items = vec![
            state("security_updates", 2.0, "", Level::FINE),
            state("patch_age", 8.0 * 86_400.0, "s", Level::SICK),
            state("reboot_required", 60.0, "s", Level::FINE),
        ]
        .into();
        web.view.desired = Some(Version::parse("1.5.0").unwrap());
        web.waves = vec![(RolloutId(7), 2)];
        let mut db = line("db1");
        db.items = vec![state("pending_updates", 1.0, "", Level::FINE)].into();
        db.view.os = "Rocky Linux 9".into();
        db.quiet = Some(Hushed {
            until: None,
            why: "moving".into(),
        });
        let hosts = [Arc::new(web), Arc::new(db)];
        for (question, found) in [
            ("updates=true", vec!["web1", "db1"]),
            ("security=true", vec!["web1"]),
            ("patch_age=7d", vec!["web1"]),
            ("patch_age=8d", vec![]),
            ("reboot=true", vec!["web1"]),
            ("behind=true", vec!["web1"]),
            ("silenced=true", vec!["db1"]),
            ("os=Rocky+Linux+9", vec!["db1"]),
            ("os=Rocky", vec![]),
            ("rollout=7", vec!["web1"]),
            ("rollout=7&wave=2", vec!["web1"]),
            ("rollout=7&wave=1", vec![]),
            ("wave=2", vec!["web1"]),
            ("rollout=8", vec![]),
        ] {
            assert_eq!(names(&hosts, question), found, "{question}");
        }
    }

    proptest! {
        #[test]
        fn a_filter_more_never_finds_more(seed in 0_usize..1_000, word in "[a-z0-9]{1,2}", rank in 0..5) {
            let hosts = fleet(40, seed);
            let all = names(&hosts, "");
            prop_assert_eq!(all.len(), hosts.len());
            let some = names(&hosts, &format!("q={word}"));
            let fewer = names(&hosts, &format!("q={word}&level={rank}"));
            prop_assert!(fewer.iter().all(|name| some.contains(name)));
            prop_assert!(some.iter().all(|name| all.contains(name)));
            for line in &hosts {
                let found = fewer.contains(&line.view.name.to_string());
                prop_assert_eq!(found, says(line, &word) && i32::from(line.view.level.rank()) == rank);
            }
        }

        #[test]
        fn the_levels_share_the_hosts_out(seed in 0_usize..1_000) {
            let hosts = fleet(40, seed);
            let found: usize = (0..5).map(|rank| names(&hosts, &format!("level={rank}")).len()).sum();
            prop_assert_eq!(found, hosts.len());
        }
    }
}
