//! How patterns for names relate to one another.

use std::fmt;

use lockstep_model::Glob;

/// True if everything that `narrow` matches is matched by `wide`. (It may say no where two stars in a row hide a
/// yes.)
pub(crate) fn covers(wide: &Glob, narrow: &Glob) -> bool {
    if narrow.is_plain() {
        return wide.matches(narrow.as_str());
    }
    let wide: Vec<char> = wide.as_str().chars().collect();
    let narrow: Vec<char> = narrow.as_str().chars().collect();
    let (mut w, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < narrow.len() {
        // A star of the narrow one stands for any text, so only a star can take it.
        let takes = |w: usize| match (wide[w], narrow[n]) {
            (_, '*') => false,
            ('?', _) => true,
            (one, other) => one == other,
        };
        if w < wide.len() && wide[w] == '*' {
            star = Some((w, n));
            w += 1;
        } else if w < wide.len() && takes(w) {
            w += 1;
            n += 1;
        } else if let Some((at, eaten)) = star {
            w = at + 1;
            n = eaten + 1;
            star = Some((at, eaten + 1));
        } else {
            return false;
        }
    }
    wide[w..].iter().all(|&c| c == '*')
}

/// True if some name is matched by both.
pub(crate) fn overlap(one: &Glob, other: &Glob) -> bool {
    let one: Vec<char> = one.as_str().chars().collect();
    let other: Vec<char> = other.as_str().chars().collect();
    // Most patterns differ before their first star already.
    for (&a, &b) in one.iter().zip(&other) {
        if a == '*' || b == '*' {
            break;
        }
        if a != b && a != '?' && b != '?' {
            return false;
        }
    }
    // reached[j]: the first i characters of one and the first j of the other match some common text.
    let mut reached = vec![false; other.len() + 1];
    reached[0] = true;
    for j in 0..other.len() {
        reached[j + 1] = reached[j] && other[j] == '*';
    }
    for &a in &one {
        let mut next = vec![false; other.len() + 1];
        next[0] = reached[0] && a == '*';
        for (j, &b) in other.iter().enumerate() {
            next[j + 1] = if a == '*' || b == '*' {
                // The star stands for nothing, or takes one more from the other side.
                reached[j + 1] || next[j]
            } else {
                reached[j] && (a == b || a == '?' || b == '?')
            };
        }
        reached = next;
    }
    reached[other.len()]
}

/// True if it is made of stars alone, which match everything.
pub(crate) fn is_any(pattern: &Glob) -> bool {
    pattern.as_str().chars().all(|c| c == '*')
}

/// The probe's part of an item's pattern: what stands before the first colon.
pub(crate) fn probe(pattern: &Glob) -> &str {
    pattern.as_str().split(':').next().unwrap_or_default()
}

/// What stands behind the first colon.
pub(crate) fn object(pattern: &Glob) -> Option<&str> {
    pattern.as_str().split_once(':').map(|(_, object)| object)
}

/// A pattern that is asked often. With one star, as most have, it needs no more than a look at both ends of a name.
#[derive(Debug, Clone)]
pub(crate) struct Quick {
    glob: Glob,
    weight: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    /// At which byte its only star stands.
    OneStar(usize),
    Any,
}

impl Quick {
    pub(crate) fn new(glob: Glob) -> Self {
        let text = glob.as_str();
        let mut wild = text.match_indices(['*', '?']);
        let kind = match (wild.next(), wild.next()) {
            (None, _) => Kind::Plain,
            (Some((at, "*")), None) => Kind::OneStar(at),
            _ => Kind::Any,
        };
        Self {
            weight: glob.weight(),
            glob,
            kind,
        }
    }

    pub(crate) fn glob(&self) -> &Glob {
        &self.glob
    }

    /// As [`Glob::weight`].
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// As [`Glob::matches`].
    pub(crate) fn matches(&self, name: &str) -> bool {
        let text = self.glob.as_str();
        match self.kind {
            Kind::Plain => text == name,
            Kind::OneStar(at) => {
                let (begin, end) = (&text[..at], &text[at + 1..]);
                name.len() >= begin.len() + end.len()
                    && name.starts_with(begin)
                    && name.ends_with(end)
            }
            Kind::Any => self.glob.matches(name),
        }
    }
}

impl fmt::Display for Quick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.glob.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).unwrap()
    }

    #[test]
    fn a_star_is_covered_by_stars_only() {
        let yes = |wide, narrow| assert!(covers(&glob(wide), &glob(narrow)), "{wide} {narrow}");
        let no = |wide, narrow| assert!(!covers(&glob(wide), &glob(narrow)), "{wide} {narrow}");
        yes("disk_usage:*", "disk_usage:/v*");
        yes("*", "a?c*");
        yes("a*c", "ab*c");
        no("disk_usage:?", "disk_usage:*");
        no("disk_usage:/v*", "disk_usage:*");
        no("disk_usage:/", "disk_usage:*");
    }

    #[test]
    fn patterns_overlap_where_one_name_matches_both() {
        assert!(overlap(&glob("web*"), &glob("*1")));
        assert!(overlap(&glob("a*c"), &glob("ab*")));
        assert!(overlap(&glob("a?"), &glob("?b")));
        assert!(!overlap(&glob("web*"), &glob("db*")));
        assert!(!overlap(&glob("*.org"), &glob("*.com")));
        assert!(!overlap(&glob("a?c"), &glob("ac")));
    }

    proptest! {
        #[test]
        fn what_covers_matches_more(wide in "[ab*?]{1,6}", narrow in "[ab*?]{1,6}", name in "[ab]{0,6}") {
            let (wide, narrow) = (glob(&wide), glob(&narrow));
            if covers(&wide, &narrow) && narrow.matches(&name) {
                prop_assert!(wide.matches(&name));
            }
        }

        #[test]
        fn a_quick_pattern_matches_what_it_stands_for(pattern in "[abé*?]{1,6}", name in "[abé]{0,6}") {
            let glob = glob(&pattern);
            let quick = Quick::new(glob.clone());
            prop_assert_eq!(quick.matches(&name), glob.matches(&name), "{} {}", pattern, name);
            prop_assert_eq!(quick.weight(), glob.weight());
        }

        #[test]
        fn a_common_name_is_an_overlap(one in "[ab*?]{1,6}", other in "[ab*?]{1,6}", name in "[ab]{0,6}") {
            let (one, other) = (glob(&one), glob(&other));
            prop_assert_eq!(overlap(&one, &other), overlap(&other, &one));
            if one.matches(&name) && other.matches(&name) {
                prop_assert!(overlap(&one, &other), "{} {}", one, other);
            }
        }

        #[test]
        fn an_overlap_has_a_common_name(one in "[ab*?]{1,4}", other in "[ab*?]{1,4}") {
            let (one, other) = (glob(&one), glob(&other));
            if overlap(&one, &other) {
                // A shortest common name is no longer than both patterns together.
                let mut names = vec![String::new()];
                let found = (0..=8).any(|_| {
                    let hit = names.iter().any(|name| one.matches(name) && other.matches(name));
                    names = names.iter().flat_map(|name| [format!("{name}a"), format!("{name}b")]).collect();
                    hit
                });
                prop_assert!(found, "{} {}", one, other);
            }
        }
    }
}
