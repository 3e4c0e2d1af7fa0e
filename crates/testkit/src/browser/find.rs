//! How tests name elements, and the script that finds them.
//!
//! A specification is a CSS selector, or a kind with a name: `button:Pause`, `link:Hosts`, `field:Name`,
//! `heading:Locks`, `summary:Roll back`, `option:admin` (`~` in place of `:` for a part of the name). The name is what
//! a screen reader would say: of a field its label. `text:WORDS` is the smallest element with these words in it.
//! Parts are joined with ` >> `, each within what the part before found: `#rollout-3 >> button:Pause`; `^SELECTOR` goes
//! outwards, to the nearest element around it. Only what can be seen is found in the end.

/// The functions `find`, `one`, `spot` and what they need.
const FUNCTIONS: &str = include_str!("find.js");

/// An expression that may call the functions.
pub(super) fn with_functions(expression: &str) -> String {
    format!("(() => {{ {FUNCTIONS}\nreturn ({expression}); }})()")
}

/// A text as a literal of the script.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
