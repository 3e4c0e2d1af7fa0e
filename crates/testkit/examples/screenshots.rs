//! Pictures of the pages of a running server, for the documentation. `scripts/screenshots` calls it:
//!
//! ```text
//! screenshots OPERATOR.TOML PASSWORD-FILE DIRECTORY SINCE
//! ```

use std::path::Path;

use anyhow::{Context, bail};
use lockstep_testkit::browser::{Browser, Colours, Page, Window};

/// The pictures: their names, where they are taken, in which light and on which screen.
const PICTURES: [(&str, &str, Colours, Window); 8] = [
    ("problems", "/", Colours::Light, WIDE),
    ("problems-phone", "/", Colours::Light, Window::Phone),
    (
        "matrix",
        "/hosts?view=matrix&all=true",
        Colours::Light,
        WIDE,
    ),
    ("host", "HOST", Colours::Light, WIDE),
    ("item", "ITEM", Colours::Light, WIDE),
    ("rollout", "ROLLOUT", Colours::Light, WIDE),
    ("locks", "/locks", Colours::Light, WIDE),
    ("releases-dark", "/releases", Colours::Dark, WIDE),
];
/// As wide as a page of documentation shows it well.
const WIDE: Window = Window::Size(1100, 700);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [operator, password, directory, since] = &arguments[..] else {
        bail!("screenshots OPERATOR.TOML PASSWORD-FILE DIRECTORY SINCE");
    };
    let read =
        |path: &str| std::fs::read_to_string(path).with_context(|| format!("reading {path}"));
    let operator: toml::Table = read(operator)?.parse()?;
    let word = |key: &str| {
        let value = operator.get(key).and_then(toml::Value::as_str);
        value.with_context(|| format!("the operator's file has no {key:?}"))
    };
    let browser = Browser::start(Some(word("ca")?))?;
    let page = browser.visit(word("server")?);
    page.goto("/sign-in");
    page.fill("field:Name", "admin");
    page.fill("field:Password", read(password)?.trim());
    page.follow("button:Sign in");
    for (name, place, colours, window) in PICTURES {
        page.colours(colours);
        page.window(window);
        let mut address = address(&page, place);
        if place == "ITEM" {
            address = format!("{address}?from={since}");
        }
        page.goto(&address);
        // Arrived is what it shows, not what is still drawn.
        page.wait_until(
            "document.documentElement.dataset.ready === 'yes'",
            "the script",
        );
        page.screenshot_into(Path::new(directory), name);
    }
    Ok(())
}

/// Places that only the fleet itself can name: a host, the worst item of the first host, the newest rollout.
fn address(page: &Page, place: &str) -> String {
    let (from, links) = match place {
        "HOST" => ("/hosts", "main a[href^='/hosts/']"),
        "ITEM" => ("/hosts", "main a[href^='/hosts/'][href*='/items/']"),
        "ROLLOUT" => ("/rollouts", "main a[href^='/rollouts/']"),
        place => return place.to_owned(),
    };
    page.goto(from);
    if place == "ITEM" {
        let host = address(page, "HOST");
        page.goto(&host);
    }
    page.wait_for(links);
    page.attribute_of_first(links, "href")
}
