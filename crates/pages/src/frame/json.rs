//! Where the API says what a page shows: the same list with the same filters, or the same thing.

/// Lists: the page, the list of the API, and the filters that both know by the same names.
const LISTS: [(&str, &str, &[&str]); 8] = [
    (
        "/",
        "problems",
        &["group", "host", "item", "level", "cause"],
    ),
    (
        "/hosts",
        "hosts",
        &[
            "q",
            "level",
            "silent",
            "in_run",
            "unhandled",
            "group",
            "label",
            "package",
            "version",
            "os",
            "updates",
            "security",
            "patch_age",
            "reboot",
            "behind",
            "silenced",
            "rollout",
            "wave",
        ],
    ),
    (
        "/events",
        "events",
        &["group", "host", "item", "level", "since", "until"],
    ),
    ("/rollouts", "rollouts", &[]),
    ("/runs", "runs", &["host"]),
    ("/locks", "locks", &[]),
    ("/releases", "releases", &[]),
    ("/silences", "silences", &[]),
];
/// Single things, each at its number below the list.
const THINGS: [&str; 2] = ["rollouts", "runs"];
/// How a page is looked at, which is no filter.
const LOOKS: [&str; 9] = [
    "sort",
    "desc",
    "view",
    "by",
    "all",
    "page",
    "items_page",
    "p",
    "columns",
];

/// The address below `/api/v1`, and whether it has all filters of the page's address; none for a page that the API has
/// nothing of, or names itself.
pub(super) fn of(address: &str) -> Option<(String, bool)> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    for thing in THINGS {
        let id = path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(thing));
        if let Some(id) = id
            .and_then(|id| id.strip_prefix('/'))
            .filter(|id| !id.is_empty() && !id.contains('/'))
        {
            return Some((format!("/api/v1/{thing}/{id}"), true));
        }
    }
    let (_, list, known) = LISTS.iter().find(|(page, ..)| *page == path)?;
    let pairs = || {
        query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.ends_with('='))
    };
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let kept: Vec<&str> = pairs()
        .filter(|pair| known.contains(&name(pair).as_str()))
        .collect();
    let others = pairs()
        .filter(|pair| !LOOKS.contains(&name(pair).as_str()))
        .count();
    let question = if kept.is_empty() { "" } else { "?" };
    let whole = format!("/api/v1/{list}{question}{}", kept.join("&"));
    Some((whole, others == kept.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_go_along_and_looks_do_not() {
        let cases = [
            ("/", "/api/v1/problems", true),
            ("/?group=db&item=", "/api/v1/problems?group=db", true),
            (
                "/hosts?q=a%20b&sort=cpu&level=3&page=2",
                "/api/v1/hosts?q=a%20b&level=3",
                true,
            ),
            (
                "/runs?host=web1&stopped=true",
                "/api/v1/runs?host=web1",
                false,
            ),
            ("/rollouts/7", "/api/v1/rollouts/7", true),
            ("/locks", "/api/v1/locks", true),
        ];
        for (page, api, whole) in cases {
            assert_eq!(of(page), Some((api.to_owned(), whole)), "{page}");
        }
        for none in ["/admin", "/me", "/hosts/web1", "/rollouts/", "/runs/a/b"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
