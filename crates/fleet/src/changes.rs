//! What the fleet says of locks, packages and rollouts: how hosts are changed, and not all at once.

use std::collections::BTreeSet;

use lockstep_model::{
    ChannelName, HostName, Hours, LockName, LockRule, PackageName, PackageRule, Strategy,
};

use crate::declared::Package;
use crate::fleet::Fleet;
use crate::pattern::is_any;

impl Fleet {
    /// What holds for a lock. One that the file does not name has one place, and nothing else counts.
    #[must_use]
    pub fn lock_rule(&self, name: &LockName) -> LockRule {
        let lock = self.declared.locks.get(name);
        lock.map(|lock| lock.rule.clone()).unwrap_or_default()
    }

    /// The locks that the file names.
    #[must_use]
    pub fn lock_names(&self) -> Vec<&LockName> {
        self.declared.locks.keys().collect()
    }

    /// The locks of the file that a host may take: those of its groups, and those for all hosts.
    #[must_use]
    pub fn locks_of(&self, host: &HostName) -> Vec<&LockName> {
        let groups = self.groups_of(host);
        let locks = self.declared.locks.iter();
        let may_take = |rule: &LockRule| match &rule.group {
            Some(group) => groups.contains(&group.as_str()),
            None => true,
        };
        locks
            .filter(|(_, lock)| self.watcher_of(host).is_none() && may_take(&lock.rule))
            .map(|(name, _)| name)
            .collect()
    }

    /// The packages that the file has kept current anywhere.
    #[must_use]
    pub fn package_names(&self) -> BTreeSet<&PackageName> {
        let packages = self.declared.packages.values();
        packages.map(|package| &package.rule.name).collect()
    }

    /// How rollouts of a channel go; none where the file says nothing about it. A channel has one strategy for all of
    /// its packages.
    #[must_use]
    pub fn strategy(&self, _package: &PackageName, channel: &ChannelName) -> Option<&Strategy> {
        let channel = self.declared.channels.get(channel)?;
        let named = self.declared.strategies.get(&channel.strategy)?;
        Some(&named.strategy)
    }

    /// The strategies that the file names.
    pub fn strategies(&self) -> impl Iterator<Item = (&str, &Strategy)> {
        let named = self.declared.strategies.iter();
        named.map(|(name, it)| (name.as_str(), &it.strategy))
    }

    /// The packages that hosts keep current in certain hours alone, with these.
    pub fn update_hours(&self) -> impl Iterator<Item = (&PackageName, &Hours)> {
        let rules = self.declared.packages.values().map(|package| &package.rule);
        rules.filter_map(|rule| Some((&rule.name, rule.hours.as_ref()?)))
    }

    /// What is kept current on a host, by name.
    pub(crate) fn packages_of(&self, host: &HostName) -> Vec<PackageRule> {
        sorted(
            self.declared
                .packages
                .values()
                .filter(|package| self.concerns(package, host)),
        )
    }

    /// The same for hosts that neither the file nor a group's pattern names.
    pub(crate) fn packages_of_others(&self) -> Vec<PackageRule> {
        let packages = self.declared.packages.values();
        sorted(packages.filter(|package| package.members.globs.iter().any(is_any)))
    }

    /// True if a table is about this host. A host without an agent has nobody who would see to it.
    pub(crate) fn concerns(&self, package: &Package, host: &HostName) -> bool {
        if self.watcher_of(host).is_some() {
            return false;
        }
        let labels = self.labels_of(host);
        let groups = package.groups.iter();
        let mut groups = groups.filter_map(|group| self.declared.groups.get(group));
        package.members.has(host, labels) || groups.any(|group| group.members.has(host, labels))
    }
}

fn sorted<'a>(packages: impl Iterator<Item = &'a Package>) -> Vec<PackageRule> {
    let mut rules: Vec<PackageRule> = packages.map(|package| package.rule.clone()).collect();
    rules.sort_by(|one, other| one.name.cmp(&other.name));
    rules
}
