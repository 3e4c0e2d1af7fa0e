//! Saved views: the menu of pages whose filters can be kept. It stands below the heading of each of them.

use lockstep_model::Role;
use lockstep_model::api::operator::{SavedView, ViewAddress};
use maud::{Markup, html};

use crate::Frame;
use crate::chart::number;
use crate::parts::action::{Action, text, tick, word};

/// The menu of the page that the frame is around; nothing for pages whose filters cannot be kept.
pub(crate) fn menu(frame: &Frame<'_>) -> Markup {
    let Ok(address) = ViewAddress::parse(frame.address) else {
        return html! {};
    };
    let of_page = frame.views.iter();
    let of_page = of_page.filter(|view| view.address.page() == address.page());
    let (own, others): (Vec<_>, Vec<_>) =
        of_page.partition(|view| view.owner == *frame.viewer.name);
    let here = own.iter().chain(&others).find(|it| it.address == address);
    html! {
        details #views .views {
            summary {
                "Views"
                @if let Some(here) = here { ": " b { (here.name) } }
                @else if own.len() + others.len() > 0 { " (" (own.len() + others.len()) ")" }
            }
            @if !own.is_empty() {
                h2 { "Yours" }
                ul .plain { @for view in &own { li {
                    (link(view, &address)) @if view.shared { " " span .mark { "shared" } } " " (forget(view, frame))
                } } }
            }
            @if !others.is_empty() {
                h2 { "Shared by others" }
                ul .plain { @for view in &others { li {
                    (link(view, &address)) " by " (view.owner)
                    @if frame.may(Role::Admin) { " " (forget(view, frame)) }
                } } }
            }
            @if own.len() < SavedView::MOST { (keep(&address, frame)) }
            @else { p { "You keep " (number::count(SavedView::MOST as u64, "view")) ", which is as many as there may be." } }
        }
    }
}

fn link(view: &SavedView, here: &ViewAddress) -> Markup {
    let current = (view.address == *here).then_some("true");
    html! { a href=(view.address.to_string()) aria-current=[current] { (view.name) } }
}

fn forget(view: &SavedView, frame: &Frame<'_>) -> Markup {
    Action {
        label: "Forget",
        to: format!("/views/{}/forget", crate::parts::link::segment(&view.id)),
        hidden: vec![("page", view.address.page().path().into())],
        twin: format!("lockstep user view remove {}", word(&view.id)),
        needs: Role::Viewer,
        ..Action::default()
    }
    .draw(frame)
}

fn keep(address: &ViewAddress, frame: &Frame<'_>) -> Markup {
    let address = address.to_string();
    Action {
        label: "Keep this view",
        to: "/views".into(),
        fields: html! {
            p { "The filters of this page under a name: " code { (address) } ". One of yours with the same name is replaced." }
            (text("name", "Name", "", true))
            (tick("shared", "Share it with everybody"))
        },
        twin: format!("lockstep user view add NAME --address {}", word(&address)),
        hidden: vec![("address", address)],
        needs: Role::Viewer,
        ..Action::default()
    }
    .draw(frame)
}

#[cfg(test)]
mod tests {
    use lockstep_model::UserName;

    use super::*;
    use crate::frame::tests::with_frame;

    fn view(name: &str, owner: &str, address: &str, shared: bool) -> SavedView {
        SavedView {
            id: format!("id-{name}"),
            name: name.into(),
            address: ViewAddress::parse(address).unwrap(),
            owner: UserName::parse(owner).unwrap(),
            shared,
            created_at: "2026-11-22T11:00:00Z".parse().unwrap(),
        }
    }

    fn drawn(role: Role, address: &str, views: &[SavedView]) -> String {
        with_frame(role, |frame| {
            menu(&Frame {
                address,
                views,
                ..*frame
            })
            .0
        })
    }

    #[test]
    fn a_page_offers_its_views_and_to_keep_another() {
        let views = [
            view("mine", "ann", "/hosts?q=web", true),
            view("a<b", "bob", "/hosts?level=3", true),
            view("elsewhere", "ann", "/events", false),
        ];
        let menu = drawn(Role::Viewer, "/hosts?q=web&page=2", &views);
        assert!(menu.contains("Views: <b>mine</b>"), "{menu}");
        assert!(menu.contains(r#"<a href="/hosts?level=3">a&lt;b</a> by bob"#));
        assert!(!menu.contains("elsewhere"));
        assert_eq!(menu.matches("/forget\"").count(), 1, "one's own");
        assert!(menu.contains(r#"name="address" value="/hosts?q=web""#));
        assert!(menu.contains("lockstep user view add NAME --address '/hosts?q=web'"));
        let admin = drawn(Role::Admin, "/hosts", &views);
        assert_eq!(admin.matches("/forget\"").count(), 2);
        assert!(admin.contains("Views (2)"));
    }

    #[test]
    fn other_pages_have_no_menu() {
        for address in ["/hosts/web1", "/releases", "/kiosk", "//evil", "/me"] {
            assert_eq!(drawn(Role::Admin, address, &[]), "", "{address}");
        }
    }

    #[test]
    fn who_has_enough_is_told_so() {
        let many: Vec<SavedView> = (0..SavedView::MOST)
            .map(|it| view(&format!("v{it}"), "ann", "/hosts?q=x", false))
            .collect();
        let menu = drawn(Role::Viewer, "/hosts", &many);
        assert!(menu.contains("as many as there may be") && !menu.contains("Keep this view"));
    }
}
