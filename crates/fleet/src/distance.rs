//! The question behind an error about a word that is not known.

use lockstep_model::nearest;

/// The question behind an error: `; did you mean "items"?`, or nothing.
pub(crate) fn question<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(unknown, known) {
        Some(meant) => format!("; did you mean \"{meant}\"?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_about_what_is_near() {
        let known = ["items", "hosts", "without", "every"];
        assert_eq!(question("itmes", known), "; did you mean \"items\"?");
        assert_eq!(question("colour", known), "");
    }
}
