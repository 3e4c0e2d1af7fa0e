//! The header `Link` (RFC 8288), as far as lists in pages need it.

/// The target of the first link whose relation is `next`.
pub(super) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (target, behind) = rest.split_once('<')?.1.split_once('>')?;
        // The parameters end at the comma before the next link.
        let end = behind.find(",").unwrap_or(behind.len());
        let (parameters, others) = behind.split_at(end);
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel")
                && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = others;
    }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_next_page_is_found_among_links() {
        assert_eq!(next("<?cursor=a>; rel=\"next\""), Some("?cursor=a"));
        assert_eq!(
            next("</x>; rel=prev, </y?a=1>; title=z; rel=next"),
            Some("/y?a=1")
        );
        assert_eq!(next("<?c=1>; REL=\"prev Next\""), Some("?c=1"));
        for none in [
            "",
            "nonsense",
            "<x",
            "<x>",
            "<x>; rel=\"prev\"",
            "<x>; rel=nextish",
            "rel=next",
        ] {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
