//! What the visitor does, by mouse and keyboard.

use serde_json::{Value, json};

use super::find::quoted;
use super::keys;
use super::page::Page;

impl Page {
    /// Clicks on the one such element, when it lies still and nothing lies over it.
    #[track_caller]
    pub fn click(&self, spec: &str) {
        let expression = format!("spot({})", quoted(spec));
        let mut before = Value::Null;
        let spot = self.wait(spec, &expression, |spot| {
            let still = *spot == before;
            before = spot.clone();
            still.then(|| spot.clone())
        });
        for (kind, count) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 1)] {
            let button = if count == 0 { "none" } else { "left" };
            self.call(
                "Input.dispatchMouseEvent",
                json!({ "type": kind, "x": spot["x"], "y": spot["y"], "button": button, "clickCount": count }),
            );
        }
    }

    /// Clicks on the one such element, and waits until the page that it leads to has loaded.
    #[track_caller]
    pub fn follow(&self, spec: &str) {
        self.while_loading(&format!("following {spec}"), || self.click(spec));
    }

    /// Writes into the one such field, in place of what stands there.
    #[track_caller]
    pub fn fill(&self, spec: &str, text: &str) {
        let expression = format!(
            "(() => {{ const it = one({}); it.focus(); it.select(); return true; }})()",
            quoted(spec)
        );
        self.wait_until(&expression, spec);
        if text.is_empty() {
            self.press("Backspace");
        } else {
            self.write(text);
        }
    }

    /// Writes into what has the focus.
    #[track_caller]
    pub fn write(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Chooses an option of the one such list, by the option's words or its value.
    #[track_caller]
    pub fn choose(&self, spec: &str, option: &str) {
        let expression = format!(
            "(() => {{ const list = one({}), it = [...list.options].find((it) => [tidy(it.textContent), it.value].includes({})); \
             if (!it) throw new Error('the options are ' + [...list.options].map((it) => tidy(it.textContent)).join(', ')); \
             list.value = it.value; \
             for (const kind of ['input', 'change']) list.dispatchEvent(new Event(kind, {{ bubbles: true }})); \
             return true; }})()",
            quoted(spec),
            quoted(option)
        );
        self.wait_until(&expression, spec);
    }

    /// Presses a key: `Enter`, `Escape`, `/`, `Shift+Tab`.
    #[track_caller]
    pub fn press(&self, key: &str) {
        for event in keys::presses(key) {
            self.call("Input.dispatchKeyEvent", event);
        }
    }
}
