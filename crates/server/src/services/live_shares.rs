//! What one user watches live: a fair share of the places, so that nobody holds them all.
//!
//! Pages ask once a second, so whoever asked a moment ago watches still. However many pages, tokens and sessions somebody
//! has, the share is the user's.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use lockstep_model::{HostName, UserName};
use tokio::time::Instant;

use crate::web::Refusal;

/// Items that one user watches at once.
pub(super) const EACH: usize = 8;
/// Those of them that one host is asked for.
pub(super) const EACH_OF_HOST: usize = 4;
/// Whoever has asked is taken to watch on for so long: twice as long as pages wait before they ask again.
const LINGER: Duration = Duration::from_secs(2);

/// The host that is asked, and the rest of what makes an item.
pub(super) trait Asked: Clone + Eq + Hash {
    /// Who is asked.
    fn asked(&self) -> &HostName;
}

/// What each user watches.
#[derive(Debug)]
pub(super) struct Shares<K> {
    of: Mutex<HashMap<UserName, HashMap<K, Held>>>,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self {
            of: Mutex::default(),
        }
    }
}

/// One item that a user watches.
#[derive(Debug)]
struct Held {
    /// Questions of his that are open.
    open: usize,
    /// It counts until then, even if none is.
    until: Instant,
}

/// A question that is open; it counts until this is dropped, and a little longer.
#[derive(Debug)]
pub(super) struct Watching<'a, K: Asked> {
    shares: &'a Shares<K>,
    user: UserName,
    key: K,
    until: Instant,
}

impl<K: Asked> Shares<K> {
    /// Counts a question of this user, and refuses it with 429 if he watches as many other items as one may.
    pub(super) fn begin(&self, user: &UserName, key: &K) -> Result<Watching<'_, K>, Refusal> {
        let now = Instant::now();
        let mut all = self.of();
        all.retain(|_, held| {
            held.retain(|_, it| it.open > 0 || it.until > now);
            !held.is_empty()
        });
        let held = all.entry(user.clone()).or_default();
        if !held.contains_key(key) {
            let of_host = held.keys().filter(|it| it.asked() == key.asked()).count();
            for (there, most, of) in [
                (of_host, EACH_OF_HOST, format!(" of {}", key.asked())),
                (held.len(), EACH, String::new()),
            ] {
                if there >= most {
                    return Err(too_many(user, most, &of));
                }
            }
        }
        let entry = held.entry(key.clone()).or_insert(Held {
            open: 0,
            until: now,
        });
        entry.open += 1;
        Ok(Watching {
            shares: self,
            user: user.clone(),
            key: key.clone(),
            until: now,
        })
    }

    fn of(&self) -> MutexGuard<'_, HashMap<UserName, HashMap<K, Held>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many(user: &UserName, most: usize, of: &str) -> Refusal {
    let words = format!(
        "{user} watches {most} items{of} live already, which is one user's share; close one of those pages, or stop asking for \
         one of those items, and ask again"
    );
    Refusal::busy(words, LINGER).with_status(StatusCode::TOO_MANY_REQUESTS)
}

impl<K: Asked> Watching<'_, K> {
    /// The answer keeps its place until then, and so does whoever got it.
    pub(super) fn holds_until(&mut self, until: Instant) {
        self.until = until;
    }
}

impl<K: Asked> Drop for Watching<'_, K> {
    fn drop(&mut self) {
        let mut all = self.shares.of();
        let held = all.get_mut(&self.user).and_then(|it| it.get_mut(&self.key));
        if let Some(held) = held {
            held.open -= 1;
            held.until = held.until.max(self.until).max(Instant::now() + LINGER);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::header::RETRY_AFTER;

    use super::*;

    /// A host, and a number of an item.
    type Item = (HostName, usize);

    impl Asked for Item {
        fn asked(&self) -> &HostName {
            &self.0
        }
    }

    fn item(host: &str, number: usize) -> Item {
        (HostName::parse(host).unwrap(), number)
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_has_a_share_and_no_more() {
        let shares = Shares::<Item>::default();
        let ann = UserName::parse("ann").unwrap();
        let bob = UserName::parse("bob").unwrap();
        let refused = |user: &UserName, of: &Item| {
            let refusal = shares.begin(user, of).unwrap_err();
            let words = refusal.detail().to_owned();
            let answer = refusal.into_response();
            let wait = answer.headers().get(RETRY_AFTER).cloned();
            (answer.status().as_u16(), wait.unwrap(), words)
        };
        let mut open: Vec<_> = (0..EACH_OF_HOST)
            .map(|number| shares.begin(&ann, &item("web1", number)).unwrap())
            .collect();
        let (status, wait, words) = refused(&ann, &item("web1", 99));
        assert_eq!((status, wait.to_str().unwrap()), (429, "2"));
        let share =
            "ann watches 4 items of web1 live already, which is one user's share; close one";
        assert!(words.starts_with(share), "{words}");
        open.extend((EACH_OF_HOST..EACH).map(|it| shares.begin(&ann, &item("db1", it)).unwrap()));
        let (status, _, words) = refused(&ann, &item("db2", 99));
        assert!(
            status == 429 && words.contains("watches 8 items live"),
            "{words}"
        );
        // What he watches already he may ask for again; and the others have shares of their own.
        open.push(shares.begin(&ann, &item("web1", 0)).unwrap());
        assert!(shares.begin(&bob, &item("web1", 99)).is_ok());

        // A page that is closed makes room a moment later, and one that asks once a second keeps its place.
        drop(open);
        tokio::time::advance(LINGER / 2).await;
        drop(shares.begin(&ann, &item("web1", 0)).unwrap());
        assert_eq!(refused(&ann, &item("web1", 99)).0, 429);
        tokio::time::advance(LINGER / 2).await;
        let three: Vec<_> = (1..EACH_OF_HOST)
            .map(|number| shares.begin(&ann, &item("web1", 10 + number)).unwrap())
            .collect();
        assert_eq!(
            refused(&ann, &item("web1", 99)).0,
            429,
            "web1's item 0 is watched"
        );
        // Nobody is remembered who watches nothing.
        drop(three);
        tokio::time::advance(LINGER).await;
        drop(shares.begin(&bob, &item("web1", 1)));
        assert_eq!(shares.of().keys().collect::<Vec<_>>(), [&bob]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stands_for_long_holds_its_place_for_as_long() {
        let shares = Shares::<Item>::default();
        let ann = UserName::parse("ann").unwrap();
        for number in 0..EACH_OF_HOST {
            let mut watching = shares.begin(&ann, &item("old", number)).unwrap();
            watching.holds_until(Instant::now() + LINGER * 5);
        }
        tokio::time::advance(LINGER * 4).await;
        assert!(shares.begin(&ann, &item("old", 9)).is_err());
        tokio::time::advance(LINGER).await;
        assert!(shares.begin(&ann, &item("old", 9)).is_ok());
    }
}
