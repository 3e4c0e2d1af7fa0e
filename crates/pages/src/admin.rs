//! `/admin` and what lies below it: how the server stands, who may come in, who did what, who is told.

pub mod alerts;
pub(crate) mod ask;
pub mod audit;
pub mod enrolment;
pub mod fleet;
pub mod fleet_past;
pub mod kiosks;
pub mod overview;
pub mod probes;
pub(crate) mod rights;
pub mod users;

use lockstep_model::Role;
use maud::{Markup, html};

use crate::frame::Sheet;
use crate::{Frame, Here, Topic};

/// A page of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Overview,
    Enrolment,
    Users,
    Audit,
    Fleet,
    Probes,
    Alerts,
}

/// The pages: address, word, and who may open it.
const PARTS: [(Part, &str, &str, Role); 7] = [
    (Part::Overview, "/admin", "Server", Role::Viewer),
    (
        Part::Enrolment,
        "/admin/enrolment",
        "Enrolment",
        Role::Operator,
    ),
    (Part::Users, "/admin/users", "Users", Role::Admin),
    (Part::Audit, "/admin/audit", "Audit trail", Role::Viewer),
    (Part::Fleet, "/admin/fleet", "Fleet file", Role::Viewer),
    (Part::Probes, "/admin/probes", "Probes", Role::Viewer),
    (Part::Alerts, "/admin/alerts", "Alerts", Role::Viewer),
];

/// Draws one of them.
fn draw(frame: &Frame<'_>, part: Part, title: &str, topics: &[Topic], body: &Markup) -> String {
    let body = html! {
        nav .tabs aria-label="Admin" {
            @for (other, path, word, needs) in PARTS {
                @if frame.may(needs) {
                    a href=(path) aria-current=[(other == part).then_some("page")] { (word) }
                }
            }
        }
        (body)
    };
    frame.draw(Sheet {
        title,
        here: Here::Admin,
        topics,
        body,
    })
}

/// Draws what a form of one of them answers with, and what is shown once. It does not live, and whoever comes back to it
/// comes to the page of the form.
fn draw_once(frame: &Frame<'_>, part: Part, title: &str, body: &Markup) -> String {
    let address = PARTS.iter().find(|(other, ..)| *other == part);
    let address = address.map_or("/admin", |(_, path, ..)| path);
    draw(&Frame { address, ..*frame }, part, title, &[], body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::with_frame;

    #[test]
    fn the_parts_are_named_for_those_who_may_open_them() {
        let page = |role| {
            with_frame(role, |frame| {
                draw(frame, Part::Audit, "Audit trail", &[], &html! {})
            })
        };
        let (viewer, operator, admin) =
            (page(Role::Viewer), page(Role::Operator), page(Role::Admin));
        for page in [&viewer, &operator, &admin] {
            assert!(page.contains(r#"<a href="/admin/audit" aria-current="page">"#));
        }
        assert!(!viewer.contains("/admin/enrolment") && operator.contains("/admin/enrolment"));
        assert!(!operator.contains("/admin/users") && admin.contains("/admin/users"));
    }

    #[test]
    fn an_answer_to_a_form_is_not_fetched_again() {
        let page = with_frame(Role::Admin, |frame| {
            draw_once(frame, Part::Users, "Made", &html! {})
        });
        assert!(page.contains(r#"data-topics="""#));
        assert!(page.contains(r#"name="to" value="/admin/users""#));
    }
}
