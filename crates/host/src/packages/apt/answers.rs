//! What the tools of apt answer, read strictly. All of them are asked in the C locale.

use lockstep_model::{PackageName, PackageVersion};

use super::super::error::PackageError;
use super::super::output::{Pending, Refreshed};
use crate::error::Result;

/// How `dpkg-query -W -f` shall describe a package: its fields (dpkg-query(1)) are words that dpkg never translates.
pub(super) const FORMAT: &str =
    "${binary:Package}|${Version}|${db:Status-Want}|${db:Status-Status}|${db:Status-Eflag}\\n";

/// A package as dpkg knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    /// With its architecture, where there could be several.
    pub(super) name: String,
    /// None where dpkg has not got so far.
    pub(super) version: Option<PackageVersion>,
    want: String,
    status: String,
    flag: String,
}

impl Package {
    /// Its files are there, or some of them.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self.status.as_str(), "not-installed" | "config-files")
    }

    /// Its last change came to its end. Triggers are the concern of others.
    pub(super) fn is_whole(&self) -> bool {
        let statuses = ["installed", "triggers-awaited", "triggers-pending"];
        statuses.contains(&self.status.as_str()) && self.flag == "ok"
    }

    /// Its last change, or one of another package that concerns it, did not come to its end.
    pub(super) fn is_broken(&self) -> bool {
        self.flag != "ok" || (self.is_there() && self.status != "installed")
    }

    /// dpkg cannot go on from here without the package's archive.
    pub(super) fn must_be_unpacked_again(&self) -> bool {
        let is_wanted = matches!(self.want.as_str(), "install" | "hold");
        is_wanted && (self.flag != "ok" || self.status == "half-installed")
    }

    /// For people: `foo 1.2 (half-configured)`.
    pub(super) fn described(&self) -> String {
        let version = self.version.as_ref().map_or("", PackageVersion::as_str);
        let flag = if self.flag == "ok" {
            ""
        } else {
            ", to be installed again"
        };
        format!("{} {version} ({}{flag})", self.name, self.status)
    }
}

/// What dpkg-query said in [`FORMAT`].
pub(super) fn packages(answer: &str) -> Result<Vec<Package>> {
    answer.lines().map(package).collect()
}

fn package(line: &str) -> Result<Package> {
    let fields: Vec<_> = line.split('|').collect();
    let [name, version, want, status, flag] = fields[..] else {
        return Err(nonsense("dpkg-query", line));
    };
    let version = match version {
        "" => None,
        version => Some(parse("dpkg-query", version)?),
    };
    Ok(Package {
        name: name.into(),
        version,
        want: want.into(),
        status: status.into(),
        flag: flag.into(),
    })
}

/// The candidate in the answer of `apt-cache policy NAME`.
pub(super) fn candidate(answer: &str, name: &PackageName) -> Result<Option<PackageVersion>> {
    match answer.lines().next() {
        // It says nothing at all about names that it never heard of.
        None => Ok(None),
        Some(first) if first.strip_suffix(':') == Some(name.as_str()) => any_candidate(answer),
        Some(first) => Err(nonsense("apt-cache", first)),
    }
}

/// The candidate of whichever package was asked for.
pub(super) fn any_candidate(answer: &str) -> Result<Option<PackageVersion>> {
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("  Candidate: "));
    match line {
        None if answer.is_empty() => Ok(None),
        None => Err(nonsense("apt-cache", "no candidate line")),
        Some("(none)") => Ok(None),
        Some(version) => parse("apt-cache", version).map(Some),
    }
}

/// The versions in the answer of `apt-cache madison NAME`, in its order, the newest first: `NAME | VERSION | SOURCE`.
/// Source packages are listed, too.
pub(super) fn versions(answer: &str, name: &PackageName) -> Result<Vec<PackageVersion>> {
    let mut versions = Vec::new();
    for line in answer.lines() {
        let fields: Vec<_> = line.split(" | ").map(str::trim).collect();
        let [package, version, origin] = fields[..] else {
            return Err(nonsense("apt-cache", line));
        };
        let version = parse("apt-cache", version)?;
        let is_source = origin.split(' ').next_back() == Some("Sources");
        if package == name.as_str() && !is_source && !versions.contains(&version) {
            versions.push(version);
        }
    }
    Ok(versions)
}

/// The upgrades in the answer of `apt-get -s upgrade`: `Inst NAME [OLD] (NEW ORIGIN [ARCH])`, without `[OLD]` for a new
/// package.
pub(super) fn upgrades(answer: &str) -> Result<Vec<Pending>> {
    let lines = answer
        .lines()
        .filter_map(|line| Some((line, line.strip_prefix("Inst ")?)));
    lines
        .map(|(line, rest)| upgrade(rest).ok_or_else(|| nonsense("apt-get", line))?)
        .collect()
}

fn upgrade(rest: &str) -> Option<Result<Pending>> {
    let (name, rest) = rest.split_once(' ')?;
    let (old, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest
            .split_once("] (")
            .map(|(old, rest)| (Some(old), rest))?,
        None => (None, rest.strip_prefix('(')?),
    };
    let new = rest.split([' ', ')']).next()?;
    let both = || -> Result<Pending> {
        Ok(Pending {
            name: name.into(),
            installed: old.map(|old| parse("apt-get", old)).transpose()?,
            candidate: parse("apt-get", new)?,
            held: false,
        })
    };
    Some(both())
}

/// The lines in which apt says what went wrong.
pub(super) fn problems(output: &str) -> Vec<String> {
    let is_problem = |line: &&str| line.starts_with("E: ") || line.starts_with("W: ");
    let lines = output.lines().filter(is_problem);
    lines
        .take(Refreshed::MOST_PROBLEMS - 1)
        .map(str::to_owned)
        .collect()
}

fn parse(tool: &'static str, version: &str) -> Result<PackageVersion> {
    let understood = PackageVersion::parse(version);
    understood.map_err(|why| PackageError::Answer { tool, why }.into())
}

fn nonsense(tool: &'static str, line: &str) -> crate::Error {
    let shown: String = line.chars().take(200).collect();
    let why = format!("{shown:?}");
    PackageError::Answer { tool, why }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> PackageName {
        PackageName::parse("foo").unwrap()
    }

    fn version(text: &str) -> PackageVersion {
        PackageVersion::parse(text).unwrap()
    }

    #[test]
    fn states_of_dpkg_are_told_apart() {
        let answer = "a|1|install|installed|ok\nb:amd64|2|install|half-configured|ok\n\
            c|2|install|half-installed|reinstreq\nd||install|half-installed|reinstreq\n\
            e|1|deinstall|config-files|ok\nf|1|install|triggers-pending|ok\ng||unknown|not-installed|ok\n";
        let packages = packages(answer).unwrap();
        let of = |test: fn(&Package) -> bool| -> Vec<_> {
            let found = packages.iter().filter(|package| test(package));
            found.map(|package| package.name.as_str()).collect()
        };
        assert_eq!(of(Package::is_whole), ["a", "f"]);
        assert_eq!(of(Package::is_broken), ["b:amd64", "c", "d", "f"]);
        assert_eq!(of(Package::must_be_unpacked_again), ["c", "d"]);
        assert_eq!(of(Package::is_there), ["a", "b:amd64", "c", "d", "f"]);
        assert_eq!(
            packages[2].described(),
            "c 2 (half-installed, to be installed again)"
        );
        for bad in [
            "a",
            "a|1|install|installed",
            "a|1 2|install|installed|ok",
            "a|1|i|i|ok|x",
        ] {
            assert!(super::packages(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn candidates_and_versions_are_found() {
        let policy =
            "foo:\n  Installed: 1\n  Candidate: 1:2.0-1\n  Version table:\n     1:2.0-1 500\n";
        assert_eq!(
            candidate(policy, &name()).unwrap(),
            Some(version("1:2.0-1"))
        );
        let none = "foo:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        assert_eq!(candidate(none, &name()).unwrap(), None);
        assert_eq!(candidate("", &name()).unwrap(), None);
        assert!(candidate("bar:\n  Candidate: 1\n", &name()).is_err());
        assert!(candidate("foo:\n", &name()).is_err());
        let madison = "       foo |          2 | https://e.org stable/main amd64 Packages\n       \
            foo |          1 | https://e.org stable/main amd64 Packages\n       \
            foo |          1 | https://f.org stable/main amd64 Packages\n       \
            foo |          3 | https://e.org stable/main Sources\n";
        assert_eq!(
            versions(madison, &name()).unwrap(),
            [version("2"), version("1")]
        );
        assert!(versions("foo 2\n", &name()).is_err());
    }

    #[test]
    fn upgrades_are_read_from_a_simulation() {
        let answer = "Reading package lists...\nInst foo [1] (2 Origin:1/stable [amd64])\nInst new (3 [all]) []\n\
            Conf foo (2 Origin:1/stable [amd64])\n";
        let found = upgrades(answer).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].installed.clone(), &found[0].candidate),
            (Some(version("1")), &version("2"))
        );
        assert_eq!(
            (found[1].installed.clone(), &found[1].candidate),
            (None, &version("3"))
        );
        assert!(upgrades("Inst foo\n").is_err());
    }
}
