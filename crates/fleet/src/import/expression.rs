//! What Xymon selects by: names, a star, or a Perl-compatible regular expression.

use std::collections::BTreeSet;

use regex_lite::{Regex, RegexBuilder};

/// A selector as in `HOST=…`: a list of names between commas, `*`, or `%` and an expression.
#[derive(Debug)]
pub(super) enum Selector {
    Everything,
    /// In lower case.
    Names(Vec<String>),
    Expression {
        regex: Regex,
        /// The patterns that match the same, if there are such.
        globs: Option<Vec<String>>,
    },
}

/// Longest expression, in bytes, and most memory that it may take when compiled.
const LONGEST: usize = 1000;
const LARGEST: usize = 64 * 1024;
/// Most patterns that one expression becomes.
const MOST_GLOBS: usize = 50;

impl Selector {
    /// Reads a selector.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(expression) = text.strip_prefix('%') {
            return Self::expression(expression);
        }
        if text == "*" {
            return Ok(Self::Everything);
        }
        let names = text.split(',').map(|name| name.trim().to_lowercase());
        let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        match names.is_empty() {
            true => Err("it names nothing".into()),
            false => Ok(Self::Names(distinct(names))),
        }
    }

    /// Reads an expression. Case makes no difference to Xymon unless the expression says so.
    pub(super) fn expression(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        let regex = compile(text)?;
        Ok(Self::Expression {
            regex,
            globs: globs(text),
        })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Names(names) => names.contains(&name.to_lowercase()),
            Self::Expression { regex, .. } => regex.is_match(name),
        }
    }
}

/// Each text once, in the order in which they stand: lists of a fleet file name nothing twice.
pub(super) fn distinct(texts: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let new = |text: &String| seen.insert(text.clone());
    texts.into_iter().filter(new).collect()
}

/// Compiles an expression as Xymon means it.
pub(super) fn compile(text: &str) -> Result<Regex, String> {
    if text.len() > LONGEST {
        return Err(format!("an expression has at most {LONGEST} bytes"));
    }
    let regex = RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(LARGEST)
        .build();
    regex.map_err(|error| format!("the expression is not understood: {error}"))
}

/// The patterns that together match what an expression matches, for expressions of plain characters, points, stars
/// and anchors. An expression that is not anchored matches anywhere.
pub(super) fn globs(expression: &str) -> Option<Vec<String>> {
    if expression.contains(['(', ')', '[', ']', '{', '}']) {
        return None;
    }
    let globs: Option<Vec<String>> = expression.split('|').map(glob).collect();
    globs
        .map(distinct)
        .filter(|globs| globs.len() <= MOST_GLOBS)
}

fn glob(expression: &str) -> Option<String> {
    let (anchored, rest) = match expression.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, expression),
    };
    let mut glob = String::from(if anchored { "" } else { "*" });
    let mut chars = rest.chars().peekable();
    let mut ended = false;
    while let Some(c) = chars.next() {
        if ended {
            return None;
        }
        let literal = match c {
            '$' => {
                ended = true;
                continue;
            }
            '.' => {
                match chars.peek() {
                    Some('*') => glob.push('*'),
                    Some('+') => glob.push_str("?*"),
                    Some('?') => return None,
                    _ => {
                        glob.push('?');
                        continue;
                    }
                }
                chars.next();
                // `.*?` is as good as `.*` where only matching counts.
                if chars.peek() == Some(&'?') {
                    chars.next();
                }
                continue;
            }
            '\\' => chars.next().filter(|c| matches!(c, '.' | '-' | '/'))?,
            '*' | '+' | '?' | '^' => return None,
            c => c,
        };
        // What is repeated is more than a pattern can say.
        if matches!(chars.peek(), Some('*' | '+' | '?')) {
            return None;
        }
        glob.push(literal);
    }
    if !ended {
        glob.push('*');
    }
    while glob.contains("**") {
        glob = glob.replace("**", "*");
    }
    (!glob.is_empty()).then_some(glob)
}

#[cfg(test)]
mod tests {
    use lockstep_model::Glob;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_expressions_become_patterns() {
        let is = |text: &str, expected: &[&str]| {
            assert_eq!(globs(text).unwrap_or_default(), expected, "{text}");
        };
        is("^web", &["web*"]);
        is(r"^web.*\.example\.org$", &["web*.example.org"]);
        is("www.*.foo.com", &["*www*?foo?com*"]);
        is("^db1$|^db2$", &["db1", "db2"]);
        is("^a.+b$", &["a?*b"]);
        is("|x|.*|x", &["*", "*x*"]);
        is("^a.*?b$", &["a*b"]);
        for beyond in ["^web[0-9]", "^(a|b)", "ab*", r"^\d", "^a{2}", "a$b"] {
            is(beyond, &[]);
        }
    }

    #[test]
    fn selectors_do_not_mind_case() {
        let select = |text: &str| Selector::parse(text).unwrap();
        assert!(select("*").matches("any"));
        assert!(select("Web1,db1").matches("web1"));
        assert!(!select("web").matches("web1"));
        assert!(select("%WEB[0-9]$").matches("web1"));
        assert!(!select("%(?-i)WEB").matches("web1"));
        assert!(Selector::parse("%(").is_err());
        assert!(Selector::parse(",").is_err());
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_expression_matches(text in r"\^?([ab]|\.|\.\*|\\\.|\||\$){0,6}", name in "[ab.]{0,6}") {
            if let (Ok(regex), Some(globs)) = (compile(&text), globs(&text)) {
                let by_glob = globs.iter().any(|glob| Glob::parse(glob).unwrap().matches(&name));
                prop_assert_eq!(by_glob, regex.is_match(&name), "{} {:?} {}", text, globs, name);
            }
        }
    }
}
