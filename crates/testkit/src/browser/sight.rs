//! What the visitor sees. How elements are named is said in `browser/find.rs`.

use super::find::quoted;
use super::page::Page;

impl Page {
    /// How many such elements can be seen now.
    #[must_use]
    #[track_caller]
    pub fn count(&self, spec: &str) -> usize {
        let count = self.eval(&format!("find({}).length", quoted(spec)));
        count
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or_default()
    }

    /// Waits until at least one such element can be seen.
    #[track_caller]
    pub fn wait_for(&self, spec: &str) {
        self.wait_until(&format!("find({}).length > 0", quoted(spec)), spec);
    }

    /// Waits until no such element can be seen.
    #[track_caller]
    pub fn wait_gone(&self, spec: &str) {
        let what = format!("no more {spec}");
        self.wait_until(&format!("find({}).length === 0", quoted(spec)), &what);
    }

    /// Waits until the one such element has these words in it.
    #[track_caller]
    pub fn wait_text(&self, spec: &str, words: &str) {
        let what = format!("{words:?} in {spec}");
        let expression = format!(
            "tidy(one({}).textContent).includes({})",
            quoted(spec),
            quoted(words)
        );
        self.wait_until(&expression, &what);
    }

    /// Waits until an expression of the page's script is true.
    #[track_caller]
    pub fn wait_until(&self, expression: &str, what: &str) {
        self.wait(what, expression, |value| (value == true).then_some(()));
    }

    /// The words of the one such element, white space made single.
    #[must_use]
    #[track_caller]
    pub fn text(&self, spec: &str) -> String {
        let expression = format!("tidy(one({}).textContent)", quoted(spec));
        self.wait(spec, &expression, |value| value.as_str().map(String::from))
    }

    /// The words of all such elements that can be seen now.
    #[must_use]
    #[track_caller]
    pub fn texts(&self, spec: &str) -> Vec<String> {
        let found = self.eval(&format!(
            "find({}).map((it) => tidy(it.textContent))",
            quoted(spec)
        ));
        let found = found.as_array().cloned().unwrap_or_default();
        found
            .iter()
            .filter_map(|it| it.as_str().map(String::from))
            .collect()
    }

    /// An attribute of the one such element; none if it does not have it.
    #[must_use]
    #[track_caller]
    pub fn attribute(&self, spec: &str, name: &str) -> Option<String> {
        let expression = format!("[one({}).getAttribute({})]", quoted(spec), quoted(name));
        self.wait(spec, &expression, |value| {
            let value = value.as_array()?.first()?;
            Some(value.as_str().map(String::from))
        })
    }

    /// An attribute of the first of all such elements; empty if it does not have it.
    #[must_use]
    #[track_caller]
    pub fn attribute_of_first(&self, spec: &str, name: &str) -> String {
        let (spec, name) = (quoted(spec), quoted(name));
        self.eval_text(&format!("find({spec})[0]?.getAttribute({name})"))
    }

    /// What stands in the one such field.
    #[must_use]
    #[track_caller]
    pub fn value(&self, spec: &str) -> String {
        let expression = format!("one({}).value", quoted(spec));
        self.wait(spec, &expression, |value| value.as_str().map(String::from))
    }

    /// What has the keyboard's focus: `<a> “Hosts”`, say.
    #[must_use]
    #[track_caller]
    pub fn focused(&self) -> String {
        self.eval_text("describe(document.activeElement)")
    }

    /// Whether the one such element has the keyboard's focus.
    #[must_use]
    #[track_caller]
    pub fn has_focus(&self, spec: &str) -> bool {
        self.eval(&format!("one({}) === document.activeElement", quoted(spec))) == true
    }
}
