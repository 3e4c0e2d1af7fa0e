//! Lists that come in pages.
//!
//! A page ends behind a row; its cursor holds that row's place in the list, in a form that only this server reads. The
//! next page begins with the first row behind that place, whatever was added or removed meanwhile, so a walk over all
//! pages neither skips nor doubles a row that does not change its place. The address of the next page stands in the
//! header `Link` (RFC 8288), as a question alone: it is to be read against the address that was asked.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::LINK;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::web::Refusal;

/// Longest cursor, in bytes: the largest place is a host and an item.
const LONGEST: usize = 2048;

/// A list, and how many of its rows one page has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    /// Its name, so that no cursor of another list is taken.
    pub(crate) name: &'static str,
    /// Rows when nothing else is asked for.
    pub(crate) some: u32,
    /// Rows at most; who asks for more gets so many.
    pub(crate) most: u32,
}

impl List {
    /// A list that was always sent whole, and still is when nobody asks otherwise.
    pub(crate) const fn whole(name: &'static str) -> Self {
        Self {
            name,
            some: 10_000,
            most: 10_000,
        }
    }
}

/// What a request for a list says of pages.
#[derive(Debug)]
pub(crate) struct Paging {
    limit: Option<u32>,
    cursor: Option<String>,
    /// The rest of the question, as it stands in the address.
    rest: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let refuse = |error: axum::extract::rejection::QueryRejection| {
            Refusal::bad_request(error.body_text()).into_response()
        };
        let asked = Query::<Asked>::from_request_parts(parts, state).await;
        let Query(Asked { limit, cursor }) = asked.map_err(refuse)?;
        let rest = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(mut rest) = rest.map_err(refuse)?;
        // `before` names a place too, and has done its work by the next page.
        rest.retain(|(name, _)| name != "cursor" && name != "before");
        Ok(Self {
            limit,
            cursor,
            rest,
        })
    }
}

impl Paging {
    /// The part of the list that is asked for. `K` is the place of a row.
    pub(crate) fn window<K: DeserializeOwned>(self, list: List) -> Result<Window<K>, Refusal> {
        if self.limit == Some(0) {
            return Err(Refusal::bad_request("limit: a page has at least one row"));
        }
        let after = self.cursor.map(|cursor| {
            place(list.name, &cursor).ok_or_else(|| {
                Refusal::bad_request(
                    "cursor: it is not one of this list; take it from the Link header of the page before",
                )
            })
        });
        Ok(Window {
            limit: self.limit.unwrap_or(list.some).min(list.most),
            after: after.transpose()?,
            name: list.name,
            rest: self.rest,
        })
    }
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Window<K> {
    /// Rows at most.
    pub(crate) limit: u32,
    /// The place of the last row before it; none for the list's beginning.
    pub(crate) after: Option<K>,
    name: &'static str,
    rest: Vec<(String, String)>,
}

impl<K: Serialize> Window<K> {
    /// How many rows to read: one more than is sent tells whether there is another page.
    pub(crate) fn one_more(&self) -> u32 {
        self.limit.saturating_add(1)
    }

    /// The page, of rows that begin behind [`Window::after`], and were asked for with [`Window::one_more`].
    pub(crate) fn cut<T>(self, mut rows: Vec<T>, key: impl Fn(&T) -> K) -> Page<T> {
        let limit = self.limit as usize;
        let last = (rows.len() > limit).then(|| limit.saturating_sub(1));
        let next = last.and_then(|last| rows.get(last)).map(key);
        rows.truncate(limit);
        self.page(rows, next.as_ref())
    }

    /// The page, of a whole list that is sorted by `key`.
    pub(crate) fn of_all<T>(self, mut rows: Vec<T>, key: impl Fn(&T) -> K) -> Page<T>
    where
        K: Ord,
    {
        if let Some(after) = &self.after {
            let seen = rows.partition_point(|row| key(row) <= *after);
            rows.drain(..seen);
        }
        self.cut(rows, key)
    }

    /// A page, and the place of the last row that was looked at if there may be more.
    pub(crate) fn page<T>(self, rows: Vec<T>, next: Option<&K>) -> Page<T> {
        let next = next.and_then(|next| self.link(next));
        Page { rows, next }
    }

    fn link(&self, next: &K) -> Option<HeaderValue> {
        let cursor = serde_json::to_vec(&(self.name, next)).ok()?;
        let cursor = BASE64_URL_SAFE_NO_PAD.encode(cursor);
        let mut question = form_urlencoded::Serializer::new(String::new());
        question.extend_pairs(&self.rest);
        question.append_pair("cursor", &cursor);
        HeaderValue::try_from(format!("<?{}>; rel=\"next\"", question.finish())).ok()
    }
}

/// The place in a cursor of this list.
fn place<K: DeserializeOwned>(list: &str, cursor: &str) -> Option<K> {
    if cursor.len() > LONGEST {
        return None;
    }
    let text = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    // No database takes a NUL in a text, and no row's place has one.
    if text.windows(6).any(|six| six == b"\\u0000") {
        return None;
    }
    let (name, place): (String, K) = serde_json::from_slice(&text).ok()?;
    (name == list).then_some(place)
}

/// A page: a JSON array, and the header that names the next one.
#[derive(Debug)]
pub(crate) struct Page<T> {
    rows: Vec<T>,
    next: Option<HeaderValue>,
}

impl<T> Page<T> {
    /// The same page with each row turned into what is sent.
    pub(crate) fn map<U>(self, view: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(view).collect(),
            next: self.next,
        }
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.rows).into_response();
        if let Some(next) = self.next {
            response.headers_mut().insert(LINK, next);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;

    const LIST: List = List {
        name: "numbers",
        some: 3,
        most: 5,
    };

    fn asked(limit: Option<u32>, cursor: Option<String>) -> Paging {
        Paging {
            limit,
            cursor,
            rest: vec![("item".into(), "a&b".into())],
        }
    }

    /// The cursor of the next page.
    fn next<T>(page: &Page<T>) -> Option<String> {
        let link = page.next.as_ref()?.to_str().unwrap();
        let rest = link.strip_prefix("<?item=a%26b&cursor=").unwrap();
        Some(rest.strip_suffix(">; rel=\"next\"").unwrap().to_owned())
    }

    #[test]
    fn a_walk_over_pages_meets_every_row_once() {
        for count in 0..12_u32 {
            let rows: Vec<u32> = (0..count).rev().collect();
            let (mut walked, mut cursor) = (Vec::new(), None);
            loop {
                let window = asked(None, cursor).window::<Reverse<u32>>(LIST).unwrap();
                let page = window.of_all(rows.clone(), |row| Reverse(*row));
                walked.extend(page.rows.iter().copied());
                cursor = next(&page);
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(walked, rows);
        }
    }

    #[test]
    fn a_row_that_is_gone_does_not_move_the_others() {
        let window = |cursor| asked(Some(2), cursor).window::<u32>(LIST).unwrap();
        let first = window(None).of_all(vec![1, 3, 5, 7], |row| *row);
        assert_eq!(first.rows, [1, 3]);
        let second = window(next(&first)).of_all(vec![0, 2, 4, 5, 7], |row| *row);
        assert_eq!(second.rows, [4, 5]);
        assert!(next(&second).is_some());
    }

    #[test]
    fn the_limit_is_bounded() {
        let limit = |limit| asked(limit, None).window::<u32>(LIST).map(|it| it.limit);
        assert_eq!(limit(None).unwrap(), 3);
        assert_eq!(limit(Some(1)).unwrap(), 1);
        assert_eq!(limit(Some(u32::MAX)).unwrap(), 5);
        assert!(limit(Some(0)).is_err());
    }

    #[test]
    fn a_cursor_of_another_list_or_of_nobody_is_refused() {
        let cursor = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let ok = |cursor: String| asked(None, Some(cursor)).window::<u32>(LIST).is_ok();
        assert!(ok(cursor("[\"numbers\",7]")));
        for bad in [
            cursor("[\"others\",7]"),
            cursor("[\"numbers\",-7]"),
            cursor("[\"numbers\"]"),
            cursor("7"),
            cursor("[\"numbers\\u0000\",7]"),
            "!".into(),
            String::new(),
            "A".repeat(10_000),
        ] {
            assert!(!ok(bad.clone()), "{bad}");
        }
    }
}
