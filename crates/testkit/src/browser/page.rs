//! A page: where it is, what its visitor has, and what there is to complain of.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::PATIENCE;
use super::find::with_functions;
use super::picture::SCREENSHOTS;
use super::pipe::Pipe;

/// How long a condition is left alone before it is looked at again.
const AGAIN: Duration = Duration::from_millis(15);

/// The size of the window, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 1280 by 800.
    Desk,
    /// 390 by 844, with a finger in place of a mouse's fine point.
    Phone,
    /// Any other width and height.
    Size(u32, u32),
}

/// What the visitor's system prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// `prefers-color-scheme: light`.
    Light,
    /// `prefers-color-scheme: dark`.
    Dark,
}

/// A page in a browser. All of its methods wait until what they need is there, and fail by panicking.
#[derive(Debug)]
pub struct Page {
    pipe: Arc<Pipe>,
    context: String,
    target: String,
    session: String,
    origin: String,
}

impl Page {
    pub(super) fn open(pipe: &Arc<Pipe>, context: &str, origin: &str) -> Self {
        let origin = origin.trim_end_matches('/');
        let said = |answer: anyhow::Result<Value>, name: &str| -> String {
            let answer = answer.unwrap_or_else(|error| panic!("opening a page: {error}"));
            answer[name].as_str().unwrap_or_default().to_owned()
        };
        let target = json!({ "url": "about:blank", "browserContextId": context });
        let target = said(pipe.call(None, "Target.createTarget", target), "targetId");
        let attach = json!({ "targetId": target, "flatten": true });
        let session = pipe.call(None, "Target.attachToTarget", attach);
        let page = Self {
            pipe: pipe.clone(),
            context: context.to_owned(),
            session: said(session, "sessionId"),
            target,
            origin: origin.to_owned(),
        };
        pipe.watch(&page.session, origin);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page.call("Page.setLifecycleEventsEnabled", json!({ "enabled": true }));
        // Each page behaves as if it were the one that is looked at.
        page.call(
            "Emulation.setFocusEmulationEnabled",
            json!({ "enabled": true }),
        );
        page.window(Window::Desk);
        page.colours(Colours::Light);
        page
    }

    /// Another page of the same visitor: a second tab, with the same cookies.
    #[must_use]
    pub fn tab(&self) -> Self {
        Self::open(&self.pipe, &self.context, &self.origin)
    }

    /// Calls a method of the protocol for this page.
    #[track_caller]
    pub fn call(&self, method: &str, params: Value) -> Value {
        match self.pipe.call(Some(&self.session), method, params) {
            Ok(answer) => answer,
            Err(error) => panic!("{error:#}"),
        }
    }

    // Where the page is.

    /// Opens an address of this site (`/hosts?level=sick`) and waits until it has loaded.
    #[track_caller]
    pub fn goto(&self, path: &str) {
        let url = format!("{}{path}", self.origin);
        let answer = self.call("Page.navigate", json!({ "url": url }));
        if let Some(error) = answer["errorText"].as_str() {
            panic!("opening {url}: {error}");
        }
        // An address that differs in its fragment only loads nothing.
        if let Some(loader) = answer["loaderId"].as_str() {
            let loaded = self
                .pipe
                .wait_until(&self.session, |it| it.has_loaded(loader));
            assert!(loaded, "{url} does not finish loading");
        }
    }

    /// Loads the page anew.
    #[track_caller]
    pub fn reload(&self) {
        self.while_loading("reloading", || {
            self.call("Page.reload", json!({}));
        });
    }

    /// Goes back to the page before.
    #[track_caller]
    pub fn back(&self) {
        self.while_loading("going back", || {
            self.eval("history.back()");
        });
    }

    #[track_caller]
    pub(super) fn while_loading(&self, what: &str, act: impl FnOnce()) {
        let loads = self.pipe.witness(&self.session, |it| it.loads);
        act();
        let loaded = self
            .pipe
            .wait_until(&self.session, |it| Some(it.loads) > loads);
        assert!(loaded, "{what}: no page loaded; {}", self.situation());
    }

    /// The address, without the site: `/hosts?level=sick`.
    #[must_use]
    #[track_caller]
    pub fn path(&self) -> String {
        self.eval_text("location.pathname + location.search")
    }

    /// The title.
    #[must_use]
    #[track_caller]
    pub fn title(&self) -> String {
        self.eval_text("document.title")
    }

    // What the visitor has.

    /// Makes the window this size.
    #[track_caller]
    pub fn window(&self, window: Window) {
        let (width, height) = match window {
            Window::Desk => (1280, 800),
            Window::Phone => (390, 844),
            Window::Size(width, height) => (width, height),
        };
        let phone = window == Window::Phone;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone }),
        );
        self.call(
            "Emulation.setTouchEmulationEnabled",
            json!({ "enabled": phone }),
        );
    }

    /// Waits until the page was drawn again, so that its script has heard of a new size. Only for pages with scripts.
    #[track_caller]
    pub fn settle(&self) {
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    }

    /// Makes the visitor's system prefer these colours, and no motion.
    #[track_caller]
    pub fn colours(&self, colours: Colours) {
        let scheme = match colours {
            Colours::Light => "light",
            Colours::Dark => "dark",
        };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    /// Lets pages that are opened from now on run scripts, or not. The questions of this harness are asked all the same.
    #[track_caller]
    pub fn scripts(&self, run: bool) {
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": !run }),
        );
    }

    /// The visitor's cookies, as the protocol describes them (`name`, `value`, `httpOnly`, `secure`, `sameSite`, …).
    #[must_use]
    #[track_caller]
    pub fn cookies(&self) -> Vec<Value> {
        let answer = self.call("Network.getCookies", json!({ "urls": [self.origin] }));
        answer["cookies"].as_array().cloned().unwrap_or_default()
    }

    /// Forgets all cookies: the visitor is a stranger again.
    #[track_caller]
    pub fn forget_cookies(&self) {
        self.call("Network.clearBrowserCookies", json!({}));
    }

    // Asking the page.

    /// The value of an expression, which may be a promise. The functions of `browser/find.js` can be called.
    #[track_caller]
    pub fn eval(&self, expression: &str) -> Value {
        match self.try_eval(expression) {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}; {}", self.situation()),
        }
    }

    #[track_caller]
    pub(super) fn eval_text(&self, expression: &str) -> String {
        self.eval(expression)
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn try_eval(&self, expression: &str) -> Result<Value, String> {
        let params = json!({
            "expression": with_functions(expression), "returnByValue": true, "awaitPromise": true, "userGesture": true,
        });
        let answer = self
            .pipe
            .call(Some(&self.session), "Runtime.evaluate", params);
        let mut answer = answer.map_err(|error| format!("{error:#}"))?;
        if let Some(details) = answer.get("exceptionDetails") {
            let words = details["exception"]["description"].as_str();
            let words = words.or(details["text"].as_str()).unwrap_or_default();
            return Err(words.lines().next().unwrap_or_default().to_owned());
        }
        Ok(answer["result"]["value"].take())
    }

    /// Asks again and again until the answer is as wanted. A page that is just being replaced answers with an error,
    /// as does one that does not have the element yet.
    #[track_caller]
    pub(super) fn wait<T>(
        &self,
        what: &str,
        expression: &str,
        mut wanted: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.try_eval(expression);
            if let Ok(value) = &answer
                && let Some(found) = wanted(value)
            {
                return found;
            }
            if Instant::now() > until {
                let last = answer.map_or_else(|error| error, |value| value.to_string());
                panic!("waited in vain for {what}: {last}; {}", self.situation());
            }
            thread::sleep(AGAIN);
        }
    }

    /// Where the page is and what it says, for a message.
    fn situation(&self) -> String {
        let place = self.try_eval("location.href").unwrap_or_default();
        let words = self
            .try_eval("document.body.innerText.slice(0, 1500)")
            .unwrap_or_default();
        let complaints = self.complaints();
        format!(
            "at {}\n--- complaints: {complaints:#?}\n--- the page says:\n{}\n---",
            place.as_str().unwrap_or_default(),
            words.as_str().unwrap_or_default()
        )
    }

    // What went wrong, and how it looks.

    /// What there is to complain of until now.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let complaints = self.pipe.witness(&self.session, |it| it.complaints.clone());
        complaints.unwrap_or_default()
    }

    /// Takes the complaints, so that the page's end does not fail because of them: for a test that causes one.
    #[must_use]
    pub fn take_complaints(&self) -> Vec<String> {
        let complaints = self
            .pipe
            .witness(&self.session, |it| std::mem::take(&mut it.complaints));
        complaints.unwrap_or_default()
    }

    /// Fails if there is anything to complain of.
    #[track_caller]
    pub fn assert_clean(&self) {
        let complaints = self.take_complaints();
        assert!(complaints.is_empty(), "{}: {complaints:#?}", self.path());
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if thread::panicking() {
            // Whoever looks for the reason looks at the page.
            #[expect(
                clippy::print_stderr,
                reason = "a failed test says why on standard error"
            )]
            {
                eprintln!("the page was {}", self.situation());
            }
            if std::env::var_os(SCREENSHOTS).is_some() {
                let shot = std::panic::AssertUnwindSafe(|| self.screenshot("failed"));
                let _ = std::panic::catch_unwind(shot);
            }
            return;
        }
        let complaints = self.take_complaints();
        let close = json!({ "targetId": self.target });
        let _ = self.pipe.call(None, "Target.closeTarget", close);
        assert!(
            complaints.is_empty(),
            "complaints of a page: {complaints:#?}"
        );
    }
}
