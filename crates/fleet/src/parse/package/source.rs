//! Where a package comes from: `apt` and `dnf` of `[package.NAME]`.
//!
//! Both need the public key that signs what comes from there: `key`, the key itself in ASCII armour, or `key_file`, a
//! file of the server beside the fleet file.
//!
//! * `apt` (sources.list(5)): `uri`; `suite`, a code name or an exact path with a slash at its end; `components`,
//!   needed with a code name and not possible with a path;
//! * `dnf` (dnf.conf(5)): `baseurl`; `signed_metadata`: whether the repository's metadata is signed, too.
//!
//! All of it ends up in files that a package manager reads line by line, so nothing is taken that could begin another
//! line or another word there.

use lockstep_model::{AptSource, DnfSource, PackageRule};

use crate::fault::quoted;
use crate::keys;
use crate::parse::Context;
use crate::read::{Field, Section};

pub(super) fn apt(context: &Context<'_>, field: &Field<'_>) -> Option<AptSource> {
    let mut section = field.section()?;
    let uri = section.take("uri");
    let suite = section.take("suite");
    for (key, given) in [("uri", uri.is_some()), ("suite", suite.is_some())] {
        if !given {
            section.fault(format!(
                "apt needs {key}, as in apt = {{ uri = \"https://repo.example.org/apt\", suite = \"stable\", components = [\"main\"], key_file = \"repo.asc\" }}"
            ));
        }
    }
    let uri = uri.and_then(|field| field.parsed(repository));
    let suite = suite.and_then(|field| field.parsed(word));
    let components = section.take("components");
    let is_path = suite.as_ref().map(|suite| suite.value.ends_with('/'));
    match (is_path, &components) {
        (Some(true), Some(field)) => context.faults.add(
            field.key_at,
            "a suite that ends with a slash is an exact path, which has no components",
        ),
        (Some(false), None) => section.fault(
            "apt needs components, as in components = [\"main\"], or a suite that is a path and ends with a slash",
        ),
        _ => {}
    }
    if let Some(field) = components.as_ref().filter(|field| field.is_empty_list()) {
        field.fault("no component is named here");
    }
    let components = components.map(|field| field.one_or_more(word));
    let key = key(context, &mut section);
    section.finish();
    Some(AptSource {
        uri: uri?.value,
        suite: suite?.value,
        components: components
            .unwrap_or_default()
            .into_iter()
            .map(|component| component.value)
            .collect(),
        key: key?,
    })
}

pub(super) fn dnf(context: &Context<'_>, field: &Field<'_>) -> Option<DnfSource> {
    let mut section = field.section()?;
    let baseurl = section.take("baseurl");
    if baseurl.is_none() {
        section.fault(
            "dnf needs baseurl, as in dnf = { baseurl = \"https://repo.example.org/rpm\", key_file = \"repo.asc\" }",
        );
    }
    let baseurl = baseurl.and_then(|field| field.parsed(repository));
    let signed = section
        .take("signed_metadata")
        .and_then(|field| field.flag());
    let key = key(context, &mut section);
    section.finish();
    Some(DnfSource {
        baseurl: baseurl?.value,
        key: key?,
        signed_metadata: signed.is_some_and(|signed| signed.value),
    })
}

fn key(context: &Context<'_>, section: &mut Section<'_>) -> Option<String> {
    let file = section.take("key_file");
    let own = section.take("key");
    match (file, own) {
        (None, None) => {
            section.fault(
                "key_file or key is needed: the public key that signs what comes from there",
            );
            None
        }
        (Some(_), Some(own)) => {
            context
                .faults
                .add(own.key_at, "key_file names a key already");
            None
        }
        (Some(file), None) => file
            .parsed(|name| key_file(context, name))
            .map(|set| set.value),
        (None, Some(own)) => own.parsed(keys::armoured).map(|set| set.value),
    }
}

fn key_file(context: &Context<'_>, name: &str) -> Result<String, String> {
    if name.is_empty() || name.len() > PackageRule::LONGEST_TEXT || name.contains(char::is_control)
    {
        return Err(format!(
            "{} is not a file, as in \"keys/repo.asc\"",
            quoted(name)
        ));
    }
    context.keys.read(name)
}

/// Where a repository is. Package managers take several with blanks or commas between them; one is meant here.
fn repository(text: &str) -> Result<String, String> {
    let scheme = ["https://", "http://", "file:/"];
    address(text, &scheme).ok_or_else(|| {
        format!(
            "{} is not the address of a repository, as in \"https://repo.example.org/apt\"",
            quoted(text)
        )
    })?
}

/// Where the newest version is published. Plain http is allowed: whoever changes what is read there makes a host ask
/// its repositories too early or too late, and those are believed by their signatures alone.
pub(super) fn published(text: &str) -> Result<String, String> {
    address(text, &["https://", "http://"]).ok_or_else(|| {
        format!(
            "{} is not an address on the web, as in \"https://repo.example.org/version.txt\"",
            quoted(text)
        )
    })?
}

/// None for what is no address of these schemes at all.
fn address(text: &str, schemes: &[&str]) -> Option<Result<String, String>> {
    let rest = schemes
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))?;
    let plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '#' | '"' | '\'' | '<' | '>' | '\\');
    let good = text.len() <= PackageRule::LONGEST_TEXT
        && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '[' | '/'))
        && (text.starts_with("file:") || !rest.starts_with('/'))
        && rest.chars().all(plain);
    let host = rest.split('/').next().unwrap_or_default();
    good.then(|| {
        if host.contains('@') {
            // Everybody who can read the fleet file, and each host concerned, would know it.
            return Err("a user and a password have no place in this address".into());
        }
        Ok(text.to_owned())
    })
}

/// A suite or a component: one word, which no package manager takes for anything else.
fn word(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._~+:/-$()".contains(c);
    let begins =
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '$'));
    if begins && text.len() <= 255 && text.chars().all(plain) {
        return Ok(text.into());
    }
    Err(format!(
        "{} is not a suite or a component, as in \"stable\", \"main\" or \"./\"",
        quoted(text)
    ))
}
