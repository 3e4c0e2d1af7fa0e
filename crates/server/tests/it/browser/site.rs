//! The filled server with a browser in front of it, and what people do there again and again.

use lockstep_model::api::operator::{NewUser, Password, UserView};
use lockstep_model::{Role, UserName};
use lockstep_testkit::browser::{Browser, Page};

use super::fleet::Filled;

/// The password of everybody here.
pub(crate) const PASSWORD: &str = "a long and secret word";

/// True when the page's script has done its part.
pub(crate) const READY: &str = "document.documentElement.dataset.ready === 'yes'";

pub(crate) struct Site {
    pub(crate) filled: Filled,
    pub(crate) browser: Browser,
}

impl Site {
    /// A fleet, and three people who may do more and less: ann is an admin, olaf an operator, vera a viewer.
    pub(crate) async fn start() -> Self {
        let filled = Filled::start().await;
        let browser = Browser::start(Some(&filled.world.running.ca_pem)).unwrap();
        let site = Self { filled, browser };
        for (name, role) in [
            ("ann", Role::Admin),
            ("olaf", Role::Operator),
            ("vera", Role::Viewer),
        ] {
            let new = NewUser {
                name: UserName::parse(name).unwrap(),
                role,
                password: Some(Password(PASSWORD.into())),
            };
            let operator = &site.filled.world.operator;
            let _: UserView = operator.post_json("/api/v1/users", &new).await.unwrap();
        }
        site
    }

    /// Somebody who has not signed in.
    pub(crate) fn stranger(&self) -> Page {
        self.browser.visit(self.filled.world.running.operator_url())
    }

    /// A page of somebody who has signed in by the form.
    pub(crate) fn sign_in(&self, name: &str) -> Page {
        let page = self.stranger();
        sign_in(&page, name);
        page
    }

    /// What the API says.
    pub(crate) async fn api<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let path = format!("/api/v1/{path}");
        self.filled.world.operator.get_json(&path).await.unwrap()
    }
}

/// Signs in by the form, and comes to the page of the problems.
#[track_caller]
pub(crate) fn sign_in(page: &Page, name: &str) {
    page.goto("/sign-in");
    page.fill("field:Name", name);
    page.fill("field:Password", PASSWORD);
    page.follow("button:Sign in");
    assert_eq!(page.path(), "/");
}

/// The form that is sent to this address.
pub(crate) fn form(to: &str) -> String {
    format!("form[action='{to}']")
}

/// Sends a form, opened if it is folded away, with these words in its fields (by their labels, or parts of them); `twin` is
/// the command that the page says does the same. Waits for the page that follows.
#[track_caller]
pub(crate) fn send(page: &Page, form: &str, fields: &[(&str, &str)], twin: &str) {
    if page.count(form) == 0 {
        page.click(&format!("{form} >> ^details >> summary"));
    }
    let shown = page.text(&format!("{form} >> .twin"));
    assert!(
        shown.contains(twin),
        "{form} is said to be {shown:?}, not {twin:?}"
    );
    for (label, words) in fields {
        let field = format!("{form} >> field~{label}");
        let kind = page.eval(&format!("one({field:?}).type"));
        match kind.as_str() {
            Some("select-one") => page.choose(&field, words),
            Some("checkbox") => page.click(&field),
            _ => page.fill(&field, words),
        }
    }
    page.follow(&format!("{form} >> button"));
}

/// As [`send`], and what the page that follows says was done.
#[track_caller]
pub(crate) fn act(page: &Page, form: &str, fields: &[(&str, &str)], twin: &str) -> String {
    send(page, form, fields, twin);
    page.text(".said")
}
