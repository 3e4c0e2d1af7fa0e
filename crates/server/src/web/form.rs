//! Forms of the pages.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use lockstep_model::ProblemKind;
use lockstep_trust::identity::same_secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::same_origin::same_origin_parts;
use super::{Refusal, collect};
use crate::app::SignedIn;

/// What a form of at most `MAX` bytes says, for routes behind `pages::door::signed_in`: it was sent by a page of ours, and
/// its field `csrf` is the one of the session. Fields that `T` does not know are ignored; one that comes several times is a
/// `Vec`.
#[derive(Debug)]
pub(crate) struct FormBody<T, const MAX: usize>(pub(crate) T);

/// As [`FormBody`], where there is no session yet: it was sent by a page of ours, and that is all.
#[derive(Debug)]
pub(crate) struct OpenForm<T, const MAX: usize>(pub(crate) T);

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

#[derive(Deserialize)]
struct Guarded {
    #[serde(default)]
    csrf: String,
}

impl<T, S, const MAX: usize> FromRequest<S> for FormBody<T, MAX>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Response> {
        guarded(request, MAX)
            .await
            .map(Self)
            .map_err(IntoResponse::into_response)
    }
}

impl<T, S, const MAX: usize> FromRequest<S> for OpenForm<T, MAX>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Response> {
        let form = async { parse(&body(request, MAX).await?) };
        form.await.map(Self).map_err(IntoResponse::into_response)
    }
}

async fn guarded<T: DeserializeOwned>(request: Request, max: usize) -> Result<T, Refusal> {
    let Some(signed) = request.extensions().get::<SignedIn>().cloned() else {
        return Err(Refusal::not_authenticated(
            "this form needs a session: sign in",
        ));
    };
    let bytes = body(request, max).await?;
    let Guarded { csrf } = parse(&bytes)?;
    if !same_secret(&csrf, &signed.csrf) {
        return Err(Refusal::new(
            ProblemKind::NotAllowed,
            "the form is not one of this session; reload the page and try again",
        ));
    }
    parse(&bytes)
}

async fn body(request: Request, max: usize) -> Result<bytes::Bytes, Refusal> {
    let (parts, body) = request.into_parts();
    same_origin_parts(&parts)?;
    if !is_form(&parts.headers) {
        return Err(Refusal::bad_request(
            "the body must be a form, with \"content-type: application/x-www-form-urlencoded\"",
        )
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    collect(body, max).await
}

/// The parser's words name the field; they may repeat what was sent, so they are cut.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_html_form::from_bytes(bytes).map_err(|error| {
        let words: String = error.to_string().chars().take(500).collect();
        Refusal::bad_request(format!("the form cannot be understood: {words}"))
    })
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let media_type = value.unwrap_or_default().split(';').next();
    media_type
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use lockstep_model::{Role, UserName};

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Asked {
        #[serde(default)]
        host: Vec<String>,
        note: String,
        count: Option<u32>,
        #[serde(default)]
        urgent: bool,
    }

    fn request(form: &'static str) -> Request {
        let mut request = Request::post("/x")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap();
        request.extensions_mut().insert(SignedIn {
            name: UserName::parse("ann").unwrap(),
            role: Role::Viewer,
            csrf: "c5rf".into(),
            id: "1".into(),
        });
        request
    }

    async fn read(request: Request) -> Result<Asked, (u16, String)> {
        let read = guarded(request, 200).await;
        read.map_err(|refusal| {
            let words = refusal.detail().to_owned();
            (refusal.into_response().status().as_u16(), words)
        })
    }

    #[tokio::test]
    async fn fields_repeat_and_strangers_among_them_are_ignored() {
        let form = "csrf=c5rf&host=a&note=%C3%A9+%26&host=b&count=7&urgent=true&stranger=1";
        let asked = Asked {
            host: vec!["a".into(), "b".into()],
            note: "é &".into(),
            count: Some(7),
            urgent: true,
        };
        assert_eq!(read(request(form)).await, Ok(asked));
        let asked = read(request("csrf=c5rf&note=")).await.unwrap();
        assert_eq!(
            (asked.host.len(), asked.count, asked.note.as_str()),
            (0, None, "")
        );
    }

    #[tokio::test]
    async fn a_form_of_another_session_or_site_is_refused() {
        for form in [
            "note=a",
            "csrf=&note=a",
            "csrf=c5rg&note=a",
            "csrf=c5rf1&note=a",
        ] {
            assert_eq!(read(request(form)).await.unwrap_err().0, 403, "{form}");
        }
        let mut stranger = request("csrf=c5rf&note=a");
        let site = "cross-site".parse().unwrap();
        stranger.headers_mut().insert("sec-fetch-site", site);
        assert_eq!(read(stranger).await.unwrap_err().0, 403);
        let mut nobody = request("csrf=c5rf&note=a");
        nobody.extensions_mut().clear();
        assert_eq!(read(nobody).await.unwrap_err().0, 401);
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        let (status, words) = read(request("csrf=c5rf&note=a&count=many"))
            .await
            .unwrap_err();
        assert_eq!(status, 400);
        assert!(words.contains("invalid digit"), "{words}");
        let mut json = request("{}");
        json.headers_mut()
            .insert(CONTENT_TYPE, "application/json".parse().unwrap());
        assert_eq!(read(json).await.unwrap_err().0, 415);
        let long = Box::leak(format!("csrf=c5rf&note={}", "a".repeat(200)).into_boxed_str());
        assert_eq!(read(request(long)).await.unwrap_err().0, 413);
    }
}
