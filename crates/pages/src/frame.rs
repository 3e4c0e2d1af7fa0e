//! What all pages have in common: the strip of figures, the navigation, the search, the footer.

mod json;
mod strip;

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::operator::SavedView;
use lockstep_model::{LevelNames, Role, UserName, Version};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::assets;
use crate::parts::time::ago;

pub use strip::{RolloutChip, Strip};

/// Who looks at a page.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'a> {
    /// The user.
    pub name: &'a UserName,
    /// What the user may do; actions beyond it are not offered.
    pub role: Role,
    /// What each form carries, so that no other site can send it.
    pub csrf: &'a str,
}

/// Says how long the answering has taken so far: there is no clock in here.
#[derive(Clone, Copy)]
pub struct Stopwatch<'a>(pub &'a (dyn Fn() -> Duration + Sync));

impl std::fmt::Debug for Stopwatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopwatch")
    }
}

/// How light a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the browser says.
    #[default]
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// All of them, in the order in which the switch goes round.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// The theme as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme of that name; anything else is [`Theme::Auto`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.unwrap_or_default()
    }
}

/// What may change while a page is open. The server says which of these has; the script fetches pages that show it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// What is not well, and who is on it.
    Problems,
    /// Hosts, their levels and versions.
    Hosts,
    /// Events of items.
    Events,
    /// Rollouts, their waves and hosts.
    Rollouts,
    /// Runs.
    Runs,
    /// Locks, holders and queues.
    Locks,
    /// Releases and channels.
    Releases,
    /// Silences.
    Silences,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Problems,
        Self::Hosts,
        Self::Events,
        Self::Rollouts,
        Self::Runs,
        Self::Locks,
        Self::Releases,
        Self::Silences,
    ];

    /// The topic as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Problems => "problems",
            Self::Hosts => "hosts",
            Self::Events => "events",
            Self::Rollouts => "rollouts",
            Self::Runs => "runs",
            Self::Locks => "locks",
            Self::Releases => "releases",
            Self::Silences => "silences",
        }
    }
}

/// Where in the navigation a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// `/`.
    Problems,
    /// `/hosts`, and each host.
    Hosts,
    /// `/items`.
    Items,
    /// `/events`.
    Events,
    /// `/rollouts`, and each rollout.
    Rollouts,
    /// `/runs`, and each run.
    Runs,
    /// `/locks`.
    Locks,
    /// `/releases`.
    Releases,
    /// `/silences`.
    Silences,
    /// `/admin`.
    Admin,
    /// What the navigation does not name.
    Elsewhere,
    /// `/kiosk`: for a wall, where nobody navigates. There are no controls around it.
    Wall,
}

/// The navigation: place, address, word, and the key that goes there after `g`.
const PLACES: [(Here, &str, &str, &str); 10] = [
    (Here::Problems, "/", "Problems", "p"),
    (Here::Hosts, "/hosts", "Hosts", "h"),
    (Here::Items, "/items", "Items", "i"),
    (Here::Events, "/events", "Events", "e"),
    (Here::Rollouts, "/rollouts", "Rollouts", "r"),
    (Here::Runs, "/runs", "Runs", "u"),
    (Here::Locks, "/locks", "Locks", "l"),
    (Here::Releases, "/releases", "Releases", "v"),
    (Here::Silences, "/silences", "Quiet", "q"),
    (Here::Admin, "/admin", "Admin", "a"),
];

/// The frame of one page for one visitor.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Who looks.
    pub viewer: Viewer<'a>,
    /// The figures above every page.
    pub strip: &'a Strip,
    /// The operator's names of the levels.
    pub levels: &'a LevelNames,
    /// The server's clock.
    pub now: Timestamp,
    /// The server's version.
    pub version: &'a Version,
    /// Light or dark.
    pub theme: Theme,
    /// The address of this page, for coming back to it: path and question.
    pub address: &'a str,
    /// A hash for each topic, as the page's data stand: `problems:1f locks:0`.
    pub editions: &'a str,
    /// What was just done, in a sentence.
    pub said: Option<&'a str>,
    /// How long the page has taken so far.
    pub took: Stopwatch<'a>,
    /// Views that the visitor and others have kept, of all pages.
    pub views: &'a [SavedView],
}

/// What a page puts into the frame.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// The page's name, for the tab and as its heading.
    pub title: &'a str,
    /// Its place.
    pub here: Here,
    /// What it shows: it is fetched again when one of these changes.
    pub topics: &'a [Topic],
    /// What stands below the heading.
    pub body: Markup,
}

impl Frame<'_> {
    /// True if the visitor may do what needs this role.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.viewer.role >= role
    }

    /// Draws a whole page.
    #[must_use]
    pub fn draw(&self, sheet: Sheet<'_>) -> String {
        let topics = sheet.topics.iter().map(|topic| topic.as_str());
        let topics = topics.collect::<Vec<_>>().join(" ");
        let wall = sheet.here == Here::Wall;
        let body = html! {
            @if !wall {
                a .skip href="#main" { "Skip to the page" }
                header .top {
                    a .brand href="/" { img src=(assets::ICON.path()) alt="" width="24" height="24"; " Lockstep" }
                    (self.navigation(sheet.here))
                    (search())
                    (self.menu())
                }
            }
            (self.strip.draw(self.levels))
            main #main tabindex="-1" {
                h1 { (sheet.title) }
                @if let Some(said) = self.said { p .said role="status" { (said) } }
                (crate::views::menu(self))
                (sheet.body)
            }
            (self.footer())
            @if !wall { (keys()) }
        };
        document(
            &Head {
                title: sheet.title,
                theme: self.theme,
                now: Some(self.now),
                topics: &topics,
                editions: self.editions,
                reloads: wall,
            },
            &body,
        )
    }

    fn navigation(&self, here: Here) -> Markup {
        html! {
            nav aria-label="Pages" {
                @for (place, path, word, key) in PLACES {
                    a href=(path) data-key=(key) aria-current=[(place == here).then_some("page")] { (word) }
                }
            }
        }
    }

    fn menu(&self) -> Markup {
        let Viewer { name, role, csrf } = self.viewer;
        html! {
            details .menu {
                summary { span .who { (name) } }
                div .sheet {
                    p { "Signed in as " b { (name) } ", " (role) "." }
                    p { a href="/me" { "Password and API tokens" } }
                    p { a href="/kiosk" { "Problems for a wall" } }
                    form method="post" action="/theme" .themes {
                        input type="hidden" name="csrf" value=(csrf);
                        input type="hidden" name="to" value=(self.address);
                        span #theme-words { "Colours" }
                        @for theme in Theme::ALL {
                            button .plain name="theme" value=(theme.as_str()) aria-describedby="theme-words"
                                aria-pressed=(if theme == self.theme { "true" } else { "false" }) { (theme.as_str()) }
                        }
                    }
                    form method="post" action="/sign-out" {
                        input type="hidden" name="csrf" value=(csrf);
                        button { "Sign out" }
                    }
                }
            }
        }
    }

    fn footer(&self) -> Markup {
        html! {
            footer {
                p #data-age data-live {
                    "Data of " (ago(self.strip.at, self.now)) ". Lockstep " (self.version) ". "
                    @if let Some(newest) = self.strip.newest_report {
                        "Newest report " (ago(newest, self.now)) ". "
                    }
                    // The footer is drawn last, so this is nearly all of it.
                    "Made in " (milliseconds((self.took.0)())) " ms."
                }
                p #live-state .live-state hidden { "Not live: the server does not answer. The page is as it was." }
                noscript { p { "Without JavaScript this page does not change by itself: reload it." } }
                p {
                    "Press " kbd { "?" } " for the keys. " a href="/api/v1/openapi.json" { "API" }
                    @if let Some((address, words)) = json::of(self.address, self.now) {
                        " " a #as-json data-live href=(address) { (words) }
                    }
                }
            }
        }
    }
}

/// Milliseconds with as many digits as say something.
fn milliseconds(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1e3;
    if ms < 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

fn search() -> Markup {
    html! {
        form .search role="search" action="/search" method="get" {
            label .unseen for="search" { "Search hosts, items, packages" }
            input #search type="search" name="q" placeholder="Search  /" maxlength="200" autocomplete="off";
        }
    }
}

/// The list of keys, which `?` opens.
fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            dl {
                dt { kbd { "/" } } dd { "search" }
                dt { kbd { "?" } } dd { "this list" }
                dt { kbd { "Esc" } } dd { "close, leave a field" }
                dt { kbd { "j" } " " kbd { "k" } } dd { "next and previous row" }
                dt { kbd { "Enter" } } dd { "open the row" }
                // The script shows these where the page has such a form.
                dt data-needs="/ack" hidden { kbd { "a" } } dd data-needs="/ack" hidden { "acknowledge what the row tells of, or the page" }
                dt data-needs="/silence" hidden { kbd { "s" } } dd data-needs="/silence" hidden { "silence it" }
                @for (_, _, word, key) in PLACES {
                    dt { kbd { "g" } " " kbd { (key) } } dd { (word) }
                }
            }
            form method="dialog" { button { "Close" } }
        }
    }
}

/// What stands in a document's head.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) title: &'a str,
    pub(crate) theme: Theme,
    /// The server's clock; a page without one does not live.
    pub(crate) now: Option<Timestamp>,
    pub(crate) topics: &'a str,
    pub(crate) editions: &'a str,
    /// True for a page that loads itself again where there is no script: nobody stands at a wall to do it.
    pub(crate) reloads: bool,
}

/// A whole document.
pub(crate) fn document(head: &Head<'_>, body: &Markup) -> String {
    let now = head.now.map(|now| now.as_millisecond());
    html! {
        (DOCTYPE)
        html lang="en" data-theme=(head.theme.as_str()) data-now=[now]
            data-topics=(head.topics) data-editions=(head.editions) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if head.reloads { noscript { meta http-equiv="refresh" content="60"; } }
                title { (head.title) " · Lockstep" }
                link rel="icon" href=(assets::ICON.path()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::STYLE.path());
                script type="module" src=(assets::SCRIPT.path()) {}
            }
            body { (PreEscaped(&body.0)) }
        }
    }
    .into_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A frame for tests of pages: an admin, 2026-11-22 12:00, nothing going on.
    pub(crate) fn with_frame<T>(role: Role, test: impl FnOnce(&Frame<'_>) -> T) -> T {
        let name = UserName::parse("ann").unwrap();
        let levels = LevelNames::default();
        let version = Version::parse("1.2.3").unwrap();
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let strip = Strip {
            at: now,
            ..Strip::default()
        };
        test(&Frame {
            viewer: Viewer {
                name: &name,
                role,
                csrf: "c5rf",
            },
            strip: &strip,
            levels: &levels,
            now,
            version: &version,
            theme: Theme::Auto,
            address: "/hosts?q=web",
            editions: "hosts:1",
            said: None,
            took: Stopwatch(&|| Duration::from_micros(4_270)),
            views: &[],
        })
    }

    fn sheet(title: &str) -> Sheet<'_> {
        Sheet {
            title,
            here: Here::Locks,
            topics: &[Topic::Locks],
            body: html! { p { "x" } },
        }
    }

    #[test]
    fn a_page_says_where_it_is_and_what_it_shows() {
        let page = with_frame(Role::Admin, |frame| frame.draw(sheet("Locks")));
        assert!(page.starts_with("<!DOCTYPE html>"));
        assert!(page.contains(r#"<a href="/locks" data-key="l" aria-current="page">Locks</a>"#));
        assert!(page.contains(r#"data-topics="locks""#));
        assert!(page.contains("<title>Locks · Lockstep</title>"));
        assert!(page.contains("Made in 4.3 ms."));
    }

    #[test]
    fn keys_that_not_all_pages_have_are_shown_where_they_work() {
        let page = with_frame(Role::Viewer, |frame| frame.draw(sheet("Locks")));
        for needed in ["/ack", "/silence"] {
            let hidden = format!(r#"data-needs="{needed}" hidden"#);
            assert_eq!(page.matches(&hidden).count(), 2, "{needed}");
        }
        assert!(page.contains("<dt><kbd>j</kbd>"));
    }

    #[test]
    fn no_text_becomes_markup() {
        let page = with_frame(Role::Admin, |frame| {
            frame.draw(sheet("<script>alert(1)</script>"))
        });
        assert!(!page.contains("<script>alert"));
    }

    #[test]
    fn nothing_is_inline() {
        let page = with_frame(Role::Admin, |frame| frame.draw(sheet("x")));
        for inline in ["<style", " style=", " onclick=", "javascript:"] {
            assert!(!page.contains(inline), "{inline}");
        }
    }
}
