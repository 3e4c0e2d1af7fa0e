//! The web pages in a real browser, over a fleet that has something of everything.
//!
//! Pages and their browser work beside each other, so these tests need threads. Each has a server and a browser of its own
//! and does much with them: the two take longer to start than a page takes to load.

mod changes;
pub(crate) mod fleet;
mod life;
mod pages;
mod people;
mod problems;
mod site;

use lockstep_testkit::browser::Browser;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_believes_the_authority_believes_the_server() {
    let world = World::at(lockstep_net::Clock::system().now(), |_| {}).await;
    let origin = world.running.operator_url();
    let navigate = |browser: &Browser| {
        let page = browser.visit(origin);
        let url = serde_json::json!({ "url": format!("{origin}/sign-in") });
        let answer = page.call("Page.navigate", url);
        let _ = page.take_complaints();
        answer["errorText"].as_str().map(String::from)
    };
    let believing = Browser::start(Some(&world.running.ca_pem)).unwrap();
    assert_eq!(navigate(&believing), None);
    let stranger = Browser::start(None).unwrap();
    let refused = navigate(&stranger).unwrap();
    assert_eq!(refused, "net::ERR_CERT_AUTHORITY_INVALID");
}
