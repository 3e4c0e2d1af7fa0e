//! `/admin/enrolment`: tokens by which new hosts come in, and the hosts that came last.

use lockstep_model::api::operator::{CreatedToken, HostView, NewToken, TokenView};
use maud::{Markup, html};

use super::{Part, ask, draw, draw_once};
use crate::parts::action::{Action, text, word};
use crate::parts::empty::{command, empty};
use crate::parts::link;
use crate::parts::pager::Slice;
use crate::parts::time::{ago, moment};
use crate::{Frame, Topic};

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Enrolment<'a> {
    /// All tokens, in any order.
    pub tokens: &'a [TokenView],
    /// Which page of them, from 1.
    pub page: usize,
    /// The hosts that were enrolled last, newest first.
    pub newest: &'a [&'a HostView],
    /// Address of the agent API.
    pub agents: &'a str,
    /// Hosts that one token may enrol at most.
    pub most_uses: u32,
}

/// Tokens on one page.
const SIZE: usize = 100;

/// What a token is worth, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Good,
    UsedUp,
    Expired,
    Revoked,
}

impl Worth {
    fn of(token: &TokenView, frame: &Frame<'_>) -> Self {
        if token.revoked {
            Self::Revoked
        } else if token.expires_at <= frame.now {
            Self::Expired
        } else if token.used >= token.uses {
            Self::UsedUp
        } else {
            Self::Good
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::UsedUp => "used up",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, view: &Enrolment<'_>) -> String {
    let body = html! {
        p { "A new host needs the program, a way to " code { (view.agents) } ", and a token. The token proves the host to the "
            "server and the server to the host; from then on the host has a certificate of its own." }
        div .actions { (create(view.most_uses).draw(frame)) }
        (tokens(frame, view))
        (newest(frame, view.newest))
        (guide(view.agents))
    };
    draw(frame, Part::Enrolment, "Enrolment", &[Topic::Hosts], &body)
}

/// Draws the page with a new token. It is the only one that has its secret.
#[must_use]
pub fn created(frame: &Frame<'_>, created: &CreatedToken, order: &NewToken) -> String {
    let body = html! {
        p .warning { "This is the only time that the token is shown: the server keeps no more than its hash. Whoever has it can "
            "enrol a host until it is used up, expires or is revoked." }
        p {
            @match &order.host {
                Some(host) => { "For host " b { (host) } " alone, also in place of an enrolled host of that name." },
                None if order.uses == 1 => { "For one host." },
                None => { "For " (order.uses) " hosts." },
            }
            " Valid until " (moment(created.expires_at)) "."
        }
        h2 { "Run this on the new host, as root" }
        (command(&created.command))
        p { "Where others may see what root runs, put the token into a file that root alone can read, and name the file with "
            code { "--token-file FILE" } " in place of " code { "--token" } "." }
        h2 { "If the host has no agent yet" }
        (install())
        p { a .button href="/admin/enrolment" { "I have it" } }
    };
    draw_once(frame, Part::Enrolment, "New enrolment token", &body)
}

fn create(most: u32) -> Action<'static> {
    Action {
        label: "Make a token",
        to: "/admin/enrolment/create".into(),
        fields: html! {
            (ask::number("uses", "How many hosts", 1, most))
            (text("valid", "Valid for, as in 2h or 7d", "1d", true))
            (text("host", "Only for the host of this name (may be empty)", "", false))
        },
        twin: "lockstep token create --uses 1 --valid 1d".into(),
        ..Action::default()
    }
}

fn tokens(frame: &Frame<'_>, view: &Enrolment<'_>) -> Markup {
    let mut tokens: Vec<(Worth, &TokenView)> = view
        .tokens
        .iter()
        .map(|token| (Worth::of(token, frame), token))
        .collect();
    tokens.sort_by(|(a, one), (b, other)| {
        (a, other.expires_at, &one.id).cmp(&(b, one.expires_at, &other.id))
    });
    let slice = Slice::of(view.page, SIZE, tokens.len());
    html! {
        section #tokens data-live aria-labelledby="tokens-title" {
            h2 #tokens-title { "Tokens" }
            @if tokens.is_empty() {
                (empty("There is no enrolment token.", &html! {
                    p { "Make one above, or on the command line:" } (command("lockstep token create"))
                }))
            } @else {
                div .scroll { table {
                    caption { "Enrolment tokens; those that are good come first" }
                    thead { tr {
                        th scope="col" { "Token" } th scope="col" { "State" } th scope="col" { "For" }
                        th .number scope="col" { "Uses left" } th scope="col" { "Expires" } th scope="col" { "Made by" }
                        th scope="col" { "Revoke" }
                    } }
                    tbody { @for (worth, token) in &tokens[slice.from..slice.to] { (row(frame, *worth, token)) } }
                } }
                (slice.draw(SIZE, |page| format!("/admin/enrolment?p={page}#tokens")))
            }
        }
    }
}

fn row(frame: &Frame<'_>, worth: Worth, token: &TokenView) -> Markup {
    let revoke = Action {
        label: "Revoke",
        to: format!("/admin/enrolment/{}/revoke", link::segment(&token.id)),
        twin: format!("lockstep token revoke {}", word(&token.id)),
        warning: Some("Nobody enrols with it any more. Hosts that did stay enrolled.".into()),
        ..Action::default()
    };
    html! {
        tr data-row {
            th scope="row" .mono { (token.id) }
            td { (worth.as_str()) }
            td { @match &token.host { Some(host) => { (host) " alone" }, None => { "any host" } } }
            td .number { (token.uses.saturating_sub(token.used)) " of " (token.uses) }
            td { (ago(token.expires_at, frame.now)) }
            td { (token.created_by) }
            td { @if worth == Worth::Good { (revoke.draw(frame)) } @else { "–" } }
        }
    }
}

fn newest(frame: &Frame<'_>, hosts: &[&HostView]) -> Markup {
    html! {
        section #enrolled data-live aria-labelledby="enrolled-title" {
            h2 #enrolled-title { "Hosts that came last" }
            @if hosts.is_empty() {
                (empty("No host is enrolled.", &html! { p { "Make a token, and run its command on the first one." } }))
            } @else {
                div .scroll { table {
                    caption { "The newest enrolments" }
                    thead { tr {
                        th scope="col" { "Host" } th scope="col" { "Enrolled" } th scope="col" { "Last report" }
                        th scope="col" { "Agent" }
                    } }
                    tbody { @for host in hosts { tr data-row {
                        th scope="row" { (link::host(&host.name)) }
                        td { (ago(host.enrolled_at, frame.now)) }
                        td { @match host.last_seen {
                            Some(at) => { (ago(at, frame.now)) },
                            None => { "none yet: is " code { "lockstep-agent" } " running there?" },
                        } }
                        td { @match &host.version { Some(version) => { (version) }, None => { "–" } } }
                    } } }
                } }
            }
        }
    }
}

fn guide(agents: &str) -> Markup {
    html! {
        details #guide {
            summary { "What a new host needs" }
            ol {
                li { "Linux 5.4 or newer, and systemd or something else that keeps a program running." }
                li { "A way to " code { (agents) } " over TCP; nothing has to reach the host." }
                li { "The program, from a bundle, and the command with the token:" (install()) }
                li { "Its name: the machine's own, unless " code { "--name NAME" } " is given to " code { "agent enroll" } ". Names "
                    "and groups of the fleet file say what the host is told to watch." }
            }
        }
    }
}

fn install() -> Markup {
    html! {
        (command("tar --zstd -xf lockstep-VERSION-linux-x86_64.tar.zst bin/lockstep\n\
            ./bin/lockstep agent install --bundle lockstep-VERSION-linux-x86_64.tar.zst\n\
            # then the command with the token, and\n\
            systemctl enable --now lockstep-agent"))
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{HostName, Interval, Role};

    use super::*;
    use crate::frame::tests::with_frame;

    fn token(id: &str, used: u32, expires_at: &str, revoked: bool) -> TokenView {
        TokenView {
            id: id.into(),
            uses: 2,
            used,
            expires_at: expires_at.parse().unwrap(),
            host: None,
            created_by: "<ann>".into(),
            revoked,
        }
    }

    fn drawn(role: Role, tokens: &[TokenView]) -> String {
        with_frame(role, |frame| {
            let view = Enrolment {
                tokens,
                page: 1,
                newest: &[],
                agents: "https://s:7440",
                most_uses: 100_000,
            };
            page(frame, &view)
        })
    }

    #[test]
    fn tokens_say_what_they_are_worth_and_only_good_ones_can_be_revoked() {
        let page = drawn(
            Role::Operator,
            &[
                token("t-old", 0, "2026-11-22T11:00:00Z", false),
                token("t-gone", 0, "2026-11-23T00:00:00Z", true),
                token("t-full", 2, "2026-11-23T00:00:00Z", false),
                token("t-good", 1, "2026-11-23T00:00:00Z", false),
            ],
        );
        for words in [
            "expired",
            "revoked",
            "used up",
            "1 of 2",
            "in 12 h",
            "&lt;ann&gt;",
        ] {
            assert!(page.contains(words), "{words}");
        }
        assert!(page.contains(r#"action="/admin/enrolment/t-good/revoke""#));
        assert_eq!(page.matches("/revoke\"").count(), 1);
        assert!(page.find("t-good") < page.find("t-old"));
    }

    #[test]
    fn without_tokens_and_hosts_it_says_what_to_do() {
        let page = drawn(Role::Operator, &[]);
        assert!(
            page.contains("There is no enrolment token") && page.contains("No host is enrolled")
        );
        assert!(page.contains("lockstep token create"));
    }

    #[test]
    fn a_new_token_is_shown_with_its_command() {
        let made = CreatedToken {
            token: "id.secret.fp".into(),
            expires_at: "2026-11-23T12:00:00Z".parse().unwrap(),
            command: "lockstep agent enroll https://s:7440 --token id.secret.fp --name web1".into(),
        };
        let order = NewToken {
            uses: 1,
            valid_for: Interval::from_secs(86_400),
            host: Some(HostName::parse("web1").unwrap()),
        };
        let page = with_frame(Role::Operator, |frame| created(frame, &made, &order));
        assert_eq!(page.matches("id.secret.fp").count(), 1);
        assert!(page.contains("only time") && page.contains("<b>web1</b>"));
        // Nothing by which the page would be fetched again, or come back to.
        assert!(page.contains(r#"data-topics="""#));
        assert!(!page.contains("/admin/enrolment/create"));
    }
}
