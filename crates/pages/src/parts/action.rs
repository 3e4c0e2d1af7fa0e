//! What can be done on a page. Each action is a plain form, and shows the command that does the same.

use lockstep_model::Role;
use maud::{Markup, html};

use crate::Frame;

/// Something that can be done.
#[derive(Debug)]
pub struct Action<'a> {
    /// The verb on the button.
    pub label: &'a str,
    /// Where the form goes: an address of ours.
    pub to: String,
    /// Values that the form carries.
    pub hidden: Vec<(&'a str, String)>,
    /// What is asked besides; see [`text`] and [`choice`].
    pub fields: Markup,
    /// The command that does the same, without a prompt before it.
    pub twin: String,
    /// Who may.
    pub needs: Role,
    /// What will happen, where it should be read first. It folds the form away behind the label.
    pub warning: Option<String>,
}

impl Default for Action<'_> {
    fn default() -> Self {
        Self {
            label: "",
            to: String::new(),
            hidden: Vec::new(),
            fields: html! {},
            twin: String::new(),
            needs: Role::Operator,
            warning: None,
        }
    }
}

impl Action<'_> {
    /// Draws it; nothing for those who may not.
    #[must_use]
    pub fn draw(&self, frame: &Frame<'_>) -> Markup {
        if !frame.may(self.needs) {
            return html! {};
        }
        let folded = self.warning.is_some() || !self.fields.0.is_empty();
        let form = html! {
            form .action method="post" action=(self.to) {
                input type="hidden" name="csrf" value=(frame.viewer.csrf);
                @for (name, value) in &self.hidden { input type="hidden" name=(name) value=(value); }
                @if let Some(warning) = &self.warning { p .warning { (warning) } }
                (self.fields)
                button .danger[self.warning.is_some()] { (self.label) }
                (twin(&self.twin))
            }
        };
        if !folded {
            return form;
        }
        html! { details .action { summary { (self.label) "…" } (form) } }
    }
}

/// A command to copy.
#[must_use]
pub fn twin(command: &str) -> Markup {
    html! { code .twin title="The same on the command line" { (command) } }
}

/// A line of text that a form asks for.
#[must_use]
pub fn text(name: &str, label: &str, value: &str, needed: bool) -> Markup {
    html! {
        label { span { (label) } input type="text" name=(name) value=(value) required[needed] maxlength="500" autocomplete="off"; }
    }
}

/// One of several values; the first is chosen before anybody chooses.
#[must_use]
pub fn choice(name: &str, label: &str, values: &[(&str, &str)]) -> Markup {
    html! {
        label { span { (label) }
            select name=(name) { @for (value, word) in values { option value=(value) { (word) } } }
        }
    }
}

/// Yes or no; no unless it is ticked. Its value is `true`.
#[must_use]
pub fn tick(name: &str, label: &str) -> Markup {
    html! { label .tick { input type="checkbox" name=(name) value="true"; span { (label) } } }
}

/// A word of a command, quoted for a shell where it has to be.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::with_frame;

    fn pause() -> Action<'static> {
        Action {
            label: "Pause",
            to: "/rollouts/3/pause".into(),
            twin: "lockstep rollout pause 3".into(),
            ..Action::default()
        }
    }

    #[test]
    fn an_action_is_a_form_with_its_twin() {
        let form = with_frame(Role::Operator, |frame| pause().draw(frame)).0;
        assert!(form.contains(r#"action="/rollouts/3/pause""#));
        assert!(form.contains(r#"name="csrf" value="c5rf""#));
        assert!(form.contains("lockstep rollout pause 3"));
        assert!(!form.contains("<details"));
    }

    #[test]
    fn who_may_not_is_not_offered_it() {
        assert_eq!(with_frame(Role::Viewer, |frame| pause().draw(frame)).0, "");
    }

    #[test]
    fn what_cannot_be_undone_is_folded_away() {
        let halt = Action {
            warning: Some("Nobody is let go any more.".into()),
            ..pause()
        };
        let form = with_frame(Role::Admin, |frame| halt.draw(frame)).0;
        assert!(form.contains("<details") && form.contains("Nobody is let go"));
    }

    #[test]
    fn words_of_commands_are_quoted_where_a_shell_would_read_more() {
        assert_eq!(word("disk_usage:/var"), "disk_usage:/var");
        assert_eq!(word("it's; rm -rf /"), r"'it'\''s; rm -rf /'");
        assert_eq!(word(""), "''");
    }
}
