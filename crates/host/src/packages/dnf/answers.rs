//! What dnf and rpm answer, read strictly. Both are asked in the C locale.

use lockstep_model::PackageVersion;

use super::super::error::PackageError;
use super::super::output::Refreshed;
use crate::error::Result;

/// One package in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) arch: String,
    pub(super) version: PackageVersion,
}

/// Reads `NAME|ARCH|VERSION` or `NAME|ARCH|EPOCH:|VERSION`, line by line.
pub(super) fn entries(tool: &'static str, answer: &str) -> Result<Vec<Entry>> {
    let lines = answer.lines().filter(|line| !line.is_empty());
    lines.map(|line| entry(tool, line)).collect()
}

fn entry(tool: &'static str, line: &str) -> Result<Entry> {
    let fields: Vec<_> = line.split('|').collect();
    let (name, arch, version) = match fields[..] {
        [name, arch, version] => (name, arch, version.to_owned()),
        [name, arch, epoch, version] => (name, arch, format!("{epoch}{version}")),
        _ => return Err(nonsense(tool, line)),
    };
    // Both spellings occur; one version has one name here.
    let version = version.strip_prefix("0:").unwrap_or(&version);
    let version = PackageVersion::parse(version).map_err(|_| nonsense(tool, line))?;
    Ok(Entry {
        name: name.into(),
        arch: arch.into(),
        version,
    })
}

/// The first line in which rpm says that a script of a package failed. There is no other sign of it: rpm counts a
/// package as installed whose last script failed, and dnf's status is that of success.
pub(super) fn failed_script(output: &str) -> Option<&str> {
    let is_said = |line: &&str| {
        line.starts_with("Error in ") && line.contains(" scriptlet in rpm package ")
            || line.contains(" scriptlet failed, ")
    };
    output.lines().map(str::trim).find(is_said)
}

/// The lines in which dnf says what went wrong.
pub(super) fn problems(output: &str) -> Vec<String> {
    let begins = ["Error: ", "Errors ", "Failed ", "  - "];
    let is_problem = |line: &&str| begins.iter().any(|begin| line.starts_with(begin));
    let lines = output
        .lines()
        .filter(is_problem)
        .map(|line| line.trim().to_owned());
    lines.take(Refreshed::MOST_PROBLEMS - 1).collect()
}

/// Epoch, version and release. A version without a release has an empty one, as rpm has it.
pub(super) fn parts(version: &PackageVersion) -> std::result::Result<[&str; 3], PackageError> {
    let text = version.as_str();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~^-:".contains(&byte);
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (upstream, release) = rest.split_once('-').unwrap_or((rest, ""));
    let is_number = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    if !text.bytes().all(fits)
        || !is_number
        || upstream.is_empty()
        || rest.contains(':')
        || release.contains('-')
    {
        let version = version.clone();
        return Err(PackageError::Version { version });
    }
    Ok([epoch, upstream, release])
}

fn nonsense(tool: &'static str, line: &str) -> crate::Error {
    let shown: String = line.chars().take(200).collect();
    let why = format!("{shown:?}");
    PackageError::Answer { tool, why }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> PackageVersion {
        PackageVersion::parse(text).unwrap()
    }

    #[test]
    fn packages_are_read_from_both_tools() {
        let found = entries(
            "rpm",
            "a|noarch||1-1\nb|x86_64|2:|1.0-3.el9\nc|x86_64|0:|1-1\n",
        )
        .unwrap();
        let versions: Vec<_> = found.iter().map(|entry| entry.version.as_str()).collect();
        assert_eq!(versions, ["1-1", "2:1.0-3.el9", "1-1"]);
        assert_eq!(entries("dnf", "\na|noarch|1-1\n\n").unwrap(), found[..1]);
        for bad in ["a", "a|noarch", "a|noarch|", "a|noarch|1 2", "a|b|c|d|e"] {
            assert!(entries("dnf", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn failed_scripts_are_seen_in_either_wording() {
        let dnf = "Installed\nError in POSTIN scriptlet in rpm package bad\n";
        assert_eq!(
            failed_script(dnf),
            Some("Error in POSTIN scriptlet in rpm package bad")
        );
        let rpm = "warning: %post(bad-2-1.noarch) scriptlet failed, exit status 3\n";
        assert_eq!(failed_script(rpm), Some(rpm.trim()));
        assert_eq!(
            failed_script("  Running scriptlet: a-1-1.noarch   1/1\n"),
            None
        );
    }

    #[test]
    fn versions_are_taken_apart_and_macros_are_not_versions() {
        assert_eq!(
            parts(&version("2:1.0~rc1-3.el9")).unwrap(),
            ["2", "1.0~rc1", "3.el9"]
        );
        assert_eq!(parts(&version("1.0")).unwrap(), ["0", "1.0", ""]);
        for bad in [
            "1%(id)",
            "1')os.exit()",
            "a:1-1",
            "1:2:3",
            "1-2-3",
            "1:-1",
            "1{}",
        ] {
            assert!(parts(&version(bad)).is_err(), "{bad}");
        }
    }
}
