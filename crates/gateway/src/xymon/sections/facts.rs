//! What machine it is, and which version of the client it runs.

use lockstep_model::Platform;
use lockstep_model::api::Facts;

use crate::xymon::message::{Message, lines};

/// Longest text that is taken over, in bytes.
const LONGEST: usize = 200;

/// What a message says of its machine; what it does not say is empty.
///
/// `[uname]` is that of `uname -rsmn` (Linux) or of `uname -a` (others); `[osversion]` has the words of `lsb_release`
/// or the line of a file such as `/etc/redhat-release`.
#[must_use]
pub fn facts(message: &Message<'_>) -> Facts {
    let uname = first_line(message, "uname");
    let words: Vec<&str> = uname.split_ascii_whitespace().collect();
    let (mut hostname, mut kernel, mut platform) = (String::new(), String::new(), None);
    if let [system, node, release, .., machine] = words[..] {
        (hostname, kernel) = (text(node), text(release));
        platform = platform_of(system, machine);
    }
    Facts {
        hostname,
        os: os(message),
        kernel,
        platform,
        gateway: None,
    }
}

fn os(message: &Message<'_>) -> String {
    let body = message.section("osversion").unwrap_or_default();
    let described = lines(body).take(50).find_map(|line| {
        let description = line.strip_prefix("Description:")?;
        Some(text(description))
    });
    described.unwrap_or_else(|| first_line(message, "osversion"))
}

/// `linux-x86_64` and so on; none where the two words cannot be names of ours.
fn platform_of(system: &str, machine: &str) -> Option<Platform> {
    let machine = match machine {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "i386" | "i486" | "i586" | "i686" => "x86",
        other => other,
    };
    let text = format!("{system}-{machine}").to_ascii_lowercase();
    Platform::parse(&text).ok()
}

/// The version of the client: what its `etc/clientversion.cfg` says, or its program of itself. It may be any text; none
/// if there is none.
#[must_use]
pub fn version<'a>(message: &Message<'a>) -> Option<&'a str> {
    let body = message.last("clientversion")?;
    let line = body.split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    (!line.is_empty()).then_some(line)
}

fn first_line(message: &Message<'_>, section: &str) -> String {
    let body = message.section(section).unwrap_or_default();
    let line = lines(body).next().unwrap_or_default();
    text(&line)
}

/// A text that may be shown to people: one line, not too long.
fn text(text: &str) -> String {
    let plain: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    plain[..plain.floor_char_boundary(LONGEST)].to_owned()
}
