//! Each page: can everybody use it, in each light and on each screen, and does it keep to itself?

use lockstep_testkit::browser::{Colours, Finding, Page, Window};

use super::site::{READY, Site};

/// All pages, and more than one where they differ.
fn addresses(site: &Site) -> Vec<String> {
    let run = format!("/runs/{}", site.filled.stopped);
    let pages = [
        "/",
        "/hosts",
        "/hosts?view=matrix",
        "/hosts?view=matrix&by=items&security=true",
        "/search?q=e",
        "/hosts?q=nothing-fits",
        "/hosts/web03",
        "/hosts/edge08",
        "/hosts/ups1",
        "/hosts/web03/items/disk_usage:%2Fvar?beside=others",
        "/hosts/web03/graphs?beside=yesterday",
        "/items",
        "/items/disk_usage:%2Fvar",
        "/events",
        "/rollouts",
        "/rollouts/1",
        "/rollouts/3",
        "/rollouts/4",
        "/runs",
        &run,
        "/locks",
        "/releases",
        "/releases/lockstep",
        "/releases/shop",
        "/board?at=2h",
        "/board?at=3d",
        "/silences",
        "/admin",
        "/admin/enrolment",
        "/admin/users",
        "/admin/audit",
        "/admin/fleet",
        "/admin/alerts",
        "/me",
        "/kiosk",
    ];
    pages.map(String::from).into()
}

/// What is wrong with the page that is shown, and these findings where they keep somebody from using it.
fn faults(page: &Page, findings: Vec<Finding>) -> Vec<String> {
    let grave = findings.into_iter().filter(Finding::is_grave);
    let mut faults: Vec<String> = grave.map(|it| it.to_string()).collect();
    faults.extend(page.overflow());
    faults.extend(page.take_complaints());
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_can_be_used_by_everybody() {
    let site = Site::start().await;
    let mut wrong = Vec::new();
    let mut note = |address: &str, how: &str, faults: Vec<String>| {
        let faults = faults.into_iter();
        wrong.extend(faults.map(|fault| format!("{address} ({how}): {fault}")));
    };
    let stranger = site.stranger();
    stranger.goto("/sign-in");
    note("/sign-in", "light", faults(&stranger, stranger.axe()));
    drop(stranger);
    let page = site.sign_in("ann");
    for address in addresses(&site) {
        page.window(Window::Desk);
        page.colours(Colours::Light);
        page.goto(&address);
        page.wait_until(READY, "the script");
        note(&address, "light", faults(&page, page.axe()));
        page.colours(Colours::Dark);
        note(
            &address,
            "dark",
            faults(&page, page.axe_again(&["color-contrast"])),
        );
        page.window(Window::Phone);
        page.settle();
        let scrolled = page.axe_again(&["scrollable-region-focusable"]);
        note(&address, "phone", faults(&page, scrolled));
        note(&address, "phone", page.small_targets());
        let name = address.replace(|it: char| !it.is_alphanumeric(), "_");
        page.screenshot(&format!("phone{name}"));
    }
    assert!(
        wrong.is_empty(),
        "{} faults:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
