//! The style sheet and the script. Both are small, our own, and in the binary; their addresses carry a hash of what they
//! say, so that browsers keep them for good.

/// A file that pages refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its name, as in `app.css`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What it says.
    pub text: &'static str,
}

/// The style sheet.
pub const STYLE: Asset = Asset {
    name: "app.css",
    media_type: "text/css; charset=utf-8",
    text: concat!(
        include_str!("assets/app.css"),
        include_str!("assets/chart.css"),
        include_str!("assets/problems.css"),
        include_str!("assets/hosts.css"),
        include_str!("assets/rollouts.css"),
        include_str!("assets/admin.css"),
    ),
};

/// The script. Every page works without it.
pub const SCRIPT: Asset = Asset {
    name: "app.js",
    media_type: "text/javascript; charset=utf-8",
    text: include_str!("assets/app.js"),
};

/// The script of an item that is watched live, on its page alone.
pub const LIVE: Asset = Asset {
    name: "live.js",
    media_type: "text/javascript; charset=utf-8",
    text: include_str!("assets/live.js"),
};

/// What stands in the browser's tab.
pub const ICON: Asset = Asset {
    name: "icon.svg",
    media_type: "image/svg+xml",
    text: include_str!("assets/icon.svg"),
};

/// All of them.
pub const ALL: [Asset; 4] = [STYLE, SCRIPT, ICON, LIVE];

impl Asset {
    /// Its address.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/assets/{:016x}/{}", hash(self.text.as_bytes()), self.name)
    }
}

/// FNV-1a: it tells editions apart, and guards nothing.
const fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_and_the_script_stay_small() {
        // Uncompressed; a third of that goes over the wire.
        assert!(SCRIPT.text.len() <= 16 * 1024, "{}", SCRIPT.text.len());
        assert!(LIVE.text.len() <= 4 * 1024, "{}", LIVE.text.len());
        assert!(STYLE.text.len() <= 32 * 1024, "{}", STYLE.text.len());
    }

    #[test]
    fn each_colour_that_is_used_is_there() {
        for used in STYLE.text.split("var(--").skip(1) {
            let name = used.split([')', ',']).next().unwrap();
            let defined = format!("--{name}:");
            assert!(STYLE.text.contains(&defined), "{name}");
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        for asset in [STYLE, SCRIPT, LIVE] {
            for stranger in [
                "http://",
                "https://",
                "@import",
                "url(",
                "eval(",
                "innerHTML",
            ] {
                assert!(
                    !asset.text.contains(stranger),
                    "{} has {stranger}",
                    asset.name
                );
            }
        }
    }

    #[test]
    fn an_address_changes_with_what_it_names() {
        assert_ne!(hash(b"a"), hash(b"b"));
        assert!(STYLE.path().starts_with("/assets/") && STYLE.path().ends_with("/app.css"));
    }
}
