//! `/search`: what bears a name that has all of the words in it.

use std::collections::HashMap;
use std::sync::Arc;

use lockstep_model::{ItemName, LockName, PackageName};
use maud::{Markup, html};

use crate::chart::number;
use crate::frame::Sheet;
use crate::hosts::{Ask, HostLine, those};
use crate::item::across_path;
use crate::parts::level::badge;
use crate::parts::link;
use crate::{Frame, Here};

/// Names of one kind that are shown.
const MOST: usize = 30;
/// Words that are looked for at once; further ones are not looked at.
const MOST_WORDS: usize = 10;
/// Longest words that are looked for, in bytes.
pub const LONGEST: usize = 500;

/// Some of the things of one kind, the likeliest first, and how many there are.
#[derive(Debug)]
pub struct Few<T> {
    /// The first of them.
    pub first: Vec<T>,
    /// All of them.
    pub all: usize,
}

impl<T> Few<T> {
    /// Names that begin with the words come first, and short ones before long ones.
    fn of(mut found: Vec<T>, words: &[String], name: impl Fn(&T) -> &str) -> Self {
        let begins = |name: &str| {
            let name = name.to_lowercase();
            words.first().is_some_and(|word| name.starts_with(word))
        };
        found.sort_by_cached_key(|it| {
            let name = name(it);
            (!begins(name), name.len(), name.to_owned())
        });
        let all = found.len();
        found.truncate(MOST);
        Self { first: found, all }
    }
}

/// What was found.
#[derive(Debug)]
pub struct Found<'a> {
    /// Hosts of which the words are a part of a name, a label, a group, an operating system or a version.
    pub hosts: Few<&'a HostLine>,
    /// Items, and how many hosts have each.
    pub items: Few<(&'a ItemName, usize)>,
    /// Packages.
    pub packages: Few<&'a PackageName>,
    /// Locks.
    pub locks: Few<&'a LockName>,
}

impl<'a> Found<'a> {
    /// Looks for the words in all names.
    #[must_use]
    pub fn by(
        q: &str,
        hosts: &'a [Arc<HostLine>],
        packages: &'a [PackageName],
        locks: &'a [LockName],
    ) -> Self {
        let words: Vec<String> = q
            .split_whitespace()
            .take(MOST_WORDS)
            .map(str::to_lowercase)
            .collect();
        let fits = |name: &str| {
            let name = name.to_lowercase();
            !words.is_empty() && words.iter().all(|word| name.contains(word))
        };
        let ask = Ask {
            q: q.to_owned(),
            ..Ask::default()
        };
        // Who asks for nothing finds nothing.
        let hosts = if words.is_empty() { &[] } else { hosts };
        let found = those(hosts, &ask);
        // Thousands of hosts have the same items: each name is looked at once.
        let mut items: HashMap<&ItemName, usize> = HashMap::new();
        for state in hosts.iter().flat_map(|line| line.items.iter()) {
            *items.entry(&state.item).or_default() += 1;
        }
        items.retain(|item, _| fits(item.as_str()));
        let packages = packages.iter().filter(|it| fits(it.as_str())).collect();
        let locks = locks.iter().filter(|it| fits(it.as_str())).collect();
        Self {
            hosts: Few::of(found, &words, |it| it.view.name.as_str()),
            items: Few::of(items.into_iter().collect(), &words, |it| it.0.as_str()),
            packages: Few::of(packages, &words, |it| it.as_str()),
            locks: Few::of(locks, &words, |it| it.as_str()),
        }
    }

    /// The address of the one thing that bears the words as its whole name, or of the only thing that was found.
    #[must_use]
    pub fn straight(&self, q: &str) -> Option<String> {
        let hosts = self.hosts.first.iter().map(|it| &it.view.name);
        let hosts = hosts.map(|it| (it.as_str(), link::host_path(it)));
        let packages = self.packages.first.iter();
        let packages = packages.map(|it| (it.as_str(), link::package_path(it.as_str())));
        let items = self.items.first.iter();
        let items = items.map(|(it, _)| (it.as_str(), across_path(it)));
        let locks = self
            .locks
            .first
            .iter()
            .map(|it| (it.as_str(), link::lock_path(it)));
        let all: Vec<(&str, String)> = hosts.chain(packages).chain(items).chain(locks).collect();
        let whole = all.iter().find(|it| it.0 == q);
        let only = all.first().filter(|_| all.len() == 1);
        whole.or(only).map(|it| it.1.clone())
    }

    fn is_nothing(&self) -> bool {
        self.hosts.all + self.items.all + self.packages.all + self.locks.all == 0
    }
}

/// Draws what was found.
#[must_use]
pub fn page(frame: &Frame<'_>, q: &str, found: &Found<'_>) -> String {
    let body = html! {
        p { "Names with " b { (q) } " in them." }
        @if found.is_nothing() {
            div .empty {
                p { b { "Nothing is named so." } }
                p { "All words must be in the name of one host, item, package or lock; of hosts also in their labels, groups, systems \
                    and versions." }
            }
        }
        (kind("Hosts", &found.hosts, |it: &&HostLine| html! {
            (link::host(&it.view.name)) " " (badge(it.view.level, frame.levels))
        }, &link::ask("/hosts", &[("q", Some(q))])))
        (kind("Items", &found.items, |(item, hosts)| html! {
            a href=(across_path(item)) { (item) } " " span .muted { "on " (number::count(*hosts as u64, "host")) }
        }, &link::ask("/items", &[("q", Some(q))])))
        (kind("Packages", &found.packages, |it: &&PackageName| html! { a href=(link::package_path(it.as_str())) { (it) } }, "/releases"))
        (kind("Locks", &found.locks, |it: &&LockName| html! { a href=(link::lock_path(it)) { (it) } }, "/locks"))
    };
    frame.draw(Sheet {
        title: "Search",
        here: Here::Hosts,
        topics: &[],
        body,
    })
}

/// What was found of one kind; `rest` is where all of it is listed.
fn kind<T>(title: &str, found: &Few<T>, one: impl Fn(&T) -> Markup, rest: &str) -> Markup {
    html! {
        @if found.all > 0 {
            section {
                h2 { (title) " " span .muted { (found.all) } }
                ul { @for it in &found.first { li { (one(it)) } } }
                @if found.all > found.first.len() {
                    p { a href=(rest) { (found.all - found.first.len()) " more" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Level, Role};

    use super::*;
    use crate::frame::tests::with_frame;
    use crate::hosts::tests::{fleet, line, state};

    fn names() -> (Vec<PackageName>, Vec<LockName>) {
        (
            vec![
                PackageName::parse("web-shop").unwrap(),
                PackageName::lockstep(),
            ],
            vec![LockName::parse("database").unwrap()],
        )
    }

    fn hosts() -> Vec<Arc<HostLine>> {
        let mut web = line("web1");
        web.items = vec![
            state("disk_usage:/var/lib/web", 1.0, "%", Level::FINE),
            state("cpu_load", 1.0, "", Level::FINE),
        ]
        .into();
        let mut db = line("db1");
        db.items = vec![state("cpu_load", 1.0, "", Level::FINE)].into();
        vec![Arc::new(db), Arc::new(web)]
    }

    #[test]
    fn parts_of_all_names_are_found() {
        let (packages, locks) = names();
        let hosts = hosts();
        let found = |q: &str| Found::by(q, &hosts, &packages, &locks);
        let web = found("WEB");
        assert_eq!(
            (
                web.hosts.all,
                web.items.all,
                web.packages.all,
                web.locks.all
            ),
            (1, 1, 1, 0)
        );
        assert_eq!(web.straight("WEB"), None);
        let page = with_frame(Role::Viewer, |frame| page(frame, "web", &found("web")));
        for link in [
            r#"href="/hosts/web1""#,
            r#"href="/items/disk_usage%3A%2Fvar%2Flib%2Fweb""#,
            r#"href="/releases/web-shop""#,
        ] {
            assert!(page.contains(link), "{link}: {page}");
        }
        // The whole name counts, and so does what is alone.
        let straight = |q: &str| found(q).straight(q);
        assert_eq!(straight("web1").as_deref(), Some("/hosts/web1"));
        assert_eq!(straight("cpu_load").as_deref(), Some("/items/cpu_load"));
        assert_eq!(straight("cpu").as_deref(), Some("/items/cpu_load"));
        assert_eq!(straight("atab").as_deref(), Some("/locks#lock-database"));
        assert_eq!(
            straight("disk lib").as_deref(),
            Some("/items/disk_usage%3A%2Fvar%2Flib%2Fweb")
        );
        assert_eq!(found("cpu").items.first[0].1, 2);
        for nothing in ["", " ", "nobody"] {
            assert!(found(nothing).is_nothing(), "{nothing:?}");
        }
    }

    #[test]
    fn what_is_shown_is_bounded_and_escaped() {
        let hosts = fleet(1_000, 3);
        let (packages, locks) = names();
        let found = Found::by("e", &hosts, &packages, &locks);
        assert_eq!((found.hosts.first.len(), found.hosts.all), (MOST, 1_000));
        assert_eq!(
            found.hosts.first[0].view.name.as_str(),
            "web0000.example.org"
        );
        let evil = "<script>alert(1)</script>";
        let found = Found::by(evil, &hosts, &packages, &locks);
        let page = with_frame(Role::Viewer, |frame| page(frame, evil, &found));
        assert!(page.contains("Nothing is named so.") && !page.contains("<script>alert"));
    }
}
