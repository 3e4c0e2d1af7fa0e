//! What is asked, from method and path.

use crate::json;

/// A call of the API of locks. Locks are meant by name or by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// All locks.
    List,
    /// A new one.
    Create,
    /// One.
    Show(String),
    /// Another name, another type, enabled or not.
    Update(String),
    /// It shall not be there any more.
    Delete(String),
    /// The host wants it.
    Acquire(String),
    /// The host does not want it any more.
    Release(String),
    /// What has happened to it.
    Events(String),
}

/// Why nothing is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCall {
    /// Nothing is at this path.
    NoSuchPath,
    /// Something is, for these methods.
    OtherMethods(&'static str),
}

impl Call {
    /// Parses what a client asks. The base is `/api` or `/api/v2`. Slashes may be doubled, as they are if the base URL
    /// of a client ends with one, and names may be escaped.
    ///
    /// # Errors
    /// Where there is nothing of that path, or not by that method.
    pub fn parse(method: &[u8], path: &[u8]) -> Result<Self, NoCall> {
        let parts = json::parts(path).ok_or(NoCall::NoSuchPath)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let below = match parts.as_slice() {
            ["api", "v2", "dlmlocks", below @ ..] | ["api", "dlmlocks", below @ ..] => below,
            _ => return Err(NoCall::NoSuchPath),
        };
        match (below, method) {
            ([], b"GET" | b"HEAD") => Ok(Self::List),
            ([], b"POST") => Ok(Self::Create),
            ([], _) => Err(NoCall::OtherMethods("GET, POST")),
            ([id], b"GET" | b"HEAD") | ([id, "lock"], b"GET" | b"HEAD") => {
                Ok(Self::Show((*id).into()))
            }
            ([id], b"PUT" | b"PATCH") => Ok(Self::Update((*id).into())),
            ([id], b"DELETE") => Ok(Self::Delete((*id).into())),
            ([_], _) => Err(NoCall::OtherMethods("GET, PUT, PATCH, DELETE")),
            ([id, "lock"], b"PUT") => Ok(Self::Acquire((*id).into())),
            ([id, "lock"], b"DELETE") => Ok(Self::Release((*id).into())),
            ([_, "lock"], _) => Err(NoCall::OtherMethods("GET, PUT, DELETE")),
            ([id, "dlmlock_events"], b"GET" | b"HEAD") => Ok(Self::Events((*id).into())),
            ([_, "dlmlock_events"], _) => Err(NoCall::OtherMethods("GET")),
            _ => Err(NoCall::NoSuchPath),
        }
    }
}

/// Which of a list are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Which page, from 1.
    pub page: usize,
    /// How many on each.
    pub per_page: usize,
    /// A part of the name; all names if there is none.
    pub search: Option<String>,
}

/// Entries of a page, where the client does not say (Foreman's setting `entries_per_page`).
const PER_PAGE: usize = 20;
/// Most entries of a page. There are at most 10,000 locks.
const MOST_PER_PAGE: usize = 10_000;

impl Page {
    /// Parses the query of a list: `page`, `per_page` and `search`, which is a part of a name or `name = NAME`. Foreman
    /// knows more ways to search and to sort; lists here are sorted by name.
    ///
    /// # Errors
    /// In words, for what is not understood: a list that pretended to be the one that was asked for would lie.
    pub fn parse(query: &[u8]) -> Result<Self, String> {
        let mut page = Self {
            page: 1,
            per_page: PER_PAGE,
            search: None,
        };
        let query = std::str::from_utf8(query).map_err(|_| "the query is not text".to_owned())?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace('+', " ");
            let value = match value.is_empty() {
                true => String::new(),
                false => json::parts(value.as_bytes())
                    .and_then(|parts| parts.into_iter().next())
                    .ok_or_else(|| format!("the value of {key:?} cannot be read"))?,
            };
            match key {
                "page" => page.page = number(key, &value)?,
                "per_page" if value == "all" => page.per_page = MOST_PER_PAGE,
                "per_page" => page.per_page = number(key, &value)?.min(MOST_PER_PAGE),
                "search" => page.search = Some(value).filter(|search| !search.is_empty()),
                "order" if matches!(value.as_str(), "" | "name" | "name ASC" | "name asc") => {}
                // Foreman's own clients send these two; there are no such things here.
                "organization_id" | "location_id" => {}
                _ => return Err(format!("{key:?} is not understood here")),
            }
        }
        Ok(page)
    }

    /// True for a lock that is searched for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        let Some(search) = &self.search else {
            return true;
        };
        match search.split_once('=') {
            Some((key, value)) if key.trim() == "name" => name == value.trim().trim_matches('"'),
            _ => name.contains(search.trim()),
        }
    }
}

fn number(key: &str, value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("{key:?} is a number from 1"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_row_of_the_api_is_understood_below_both_bases() {
        let rows = [
            ("GET", "", Call::List),
            ("POST", "", Call::Create),
            ("GET", "/db", Call::Show("db".into())),
            ("HEAD", "/db", Call::Show("db".into())),
            ("GET", "/db/lock", Call::Show("db".into())),
            ("PUT", "/17", Call::Update("17".into())),
            ("PATCH", "/db", Call::Update("db".into())),
            ("DELETE", "/db", Call::Delete("db".into())),
            ("PUT", "/db/lock", Call::Acquire("db".into())),
            (
                "PUT",
                "/Test%20Lock/lock",
                Call::Acquire("Test Lock".into()),
            ),
            ("DELETE", "/db/lock", Call::Release("db".into())),
            ("GET", "/db/dlmlock_events", Call::Events("db".into())),
            ("PUT", "/lock/lock", Call::Acquire("lock".into())),
        ];
        for (method, path, call) in rows {
            for base in ["/api/dlmlocks", "/api/v2/dlmlocks", "//api/v2//dlmlocks/"] {
                let found = Call::parse(method.as_bytes(), format!("{base}{path}").as_bytes());
                assert_eq!(found, Ok(call.clone()), "{method} {base}{path}");
            }
        }
        for (method, path, expected) in [
            ("GET", "/", NoCall::NoSuchPath),
            ("GET", "/api/hosts", NoCall::NoSuchPath),
            ("GET", "/api/v3/dlmlocks", NoCall::NoSuchPath),
            ("GET", "/api/dlmlocks/db/lock/more", NoCall::NoSuchPath),
            ("GET", "/api/dlmlocks/%", NoCall::NoSuchPath),
            ("PUT", "/api/dlmlocks", NoCall::OtherMethods("GET, POST")),
            (
                "POST",
                "/api/dlmlocks/db/lock",
                NoCall::OtherMethods("GET, PUT, DELETE"),
            ),
        ] {
            let found = Call::parse(method.as_bytes(), path.as_bytes());
            assert_eq!(found, Err(expected), "{method} {path}");
        }
    }

    #[test]
    fn a_list_is_what_was_asked_for_or_refused() {
        let page = Page::parse(b"page=2&per_page=5&search=web&organization_id=1").unwrap();
        assert_eq!((page.page, page.per_page), (2, 5));
        assert!(page.wants("web-a") && !page.wants("db"));
        let exact = Page::parse(b"search=name+%3D+web").unwrap();
        assert!(exact.wants("web") && !exact.wants("web-a"));
        assert!(Page::parse(b"").unwrap().wants("anything"));
        assert_eq!(Page::parse(b"per_page=all").unwrap().per_page, 10_000);
        for bad in [
            &b"page=0"[..],
            b"page=x",
            b"order=id+DESC",
            b"full=1",
            b"search=%",
            b"\xff",
        ] {
            assert!(Page::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_has_a_name(
            method in proptest::sample::select(vec!["GET", "PUT", "DELETE", "POST", "X"]),
            path in "(/api)?(/v2)?/dlmlocks(/[ -~]{0,10}){0,3}",
        ) {
            let call = Call::parse(method.as_bytes(), path.as_bytes());
            if let Ok(Call::Show(id) | Call::Acquire(id) | Call::Release(id) | Call::Events(id)) = call {
                prop_assert!(!id.is_empty() && !id.contains('/'));
            }
        }

        #[test]
        fn no_query_breaks_the_list(query in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(page) = Page::parse(&query) {
                prop_assert!(page.page > 0 && (1..=MOST_PER_PAGE).contains(&page.per_page));
            }
        }
    }
}
