//! Views that users have kept.

use lockstep_model::api::operator::{NewView, SavedView, ViewAddress};
use lockstep_model::{Role, UserName};

use crate::engine::Place;
use crate::samples::at;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn view(name: &str, address: &str, shared: bool) -> NewView {
    NewView {
        name: name.into(),
        address: ViewAddress::parse(address).unwrap(),
        shared,
    }
}

pub(crate) async fn views_are_ones_own_or_shared(place: Place) {
    let store = place.open().await;
    let (ann, bob) = (user("ann"), user("bob"));
    for name in [&ann, &bob] {
        store
            .create_user(name, Role::Viewer, None, at(0))
            .await
            .unwrap();
    }
    let keep =
        async |of, new: NewView, second| store.keep_view(of, &new, at(second)).await.unwrap();
    let mine = keep(&ann, view("sick é", "/hosts?level=3", false), 1)
        .await
        .unwrap();
    let again = keep(&ann, view("sick é", "/hosts?level=2", false), 2)
        .await
        .unwrap();
    assert_eq!(again.id, mine.id, "it takes the place of the one before");
    let other = keep(&ann, view("sick é", "/events?level=2", false), 3)
        .await
        .unwrap();
    assert_ne!(other.id, mine.id, "another page");
    let shared = keep(&bob, view("a", "/?q=x", true), 4).await.unwrap();
    keep(&bob, view("b", "/hosts", false), 5).await.unwrap();

    let names = async |of: &UserName| {
        let views = store.views(of).await.unwrap();
        let names = views
            .iter()
            .map(|it| format!("{} {} {}", it.owner, it.name, it.address));
        names.collect::<Vec<_>>()
    };
    let of_ann = names(&ann).await;
    assert_eq!(of_ann.len(), 3);
    assert!(of_ann.contains(&"ann sick é /hosts?level=2".to_owned()));
    assert_eq!(of_ann[2], "bob a /?q=x", "others' come last");
    assert_eq!(names(&bob).await, ["bob a /?q=x", "bob b /hosts"]);

    // One of a page that this version does not know.
    let strange = "UPDATE saved_views SET address = '/elsewhere' WHERE name = 'b'";
    place.execute(strange).await;
    assert_eq!(names(&bob).await, ["bob a /?q=x"], "the others are there");

    assert!(!store.forget_view(&shared.id, &ann, false).await.unwrap());
    assert!(
        !store.forget_view(&mine.id, &bob, true).await.unwrap(),
        "it is not shared"
    );
    assert!(store.forget_view(&mine.id, &ann, false).await.unwrap());
    assert!(store.forget_view(&shared.id, &ann, true).await.unwrap());
    assert!(
        !store.forget_view(&shared.id, &bob, false).await.unwrap(),
        "it is gone"
    );

    store
        .create_user(&user("root"), Role::Admin, None, at(6))
        .await
        .unwrap();
    assert!(store.remove_user(&bob, at(7)).await.unwrap());
    assert!(names(&bob).await.is_empty(), "they go with their user");
    let late = store
        .keep_view(&bob, &view("c", "/", true), at(8))
        .await
        .unwrap();
    assert_eq!(late, None);
}

pub(crate) async fn a_user_keeps_so_many_views_and_no_more(place: Place) {
    let store = place.open().await;
    let ann = user("ann");
    store
        .create_user(&ann, Role::Viewer, None, at(0))
        .await
        .unwrap();
    for number in 0..SavedView::MOST {
        let new = view(&format!("v{number}"), "/hosts", false);
        assert!(store.keep_view(&ann, &new, at(1)).await.unwrap().is_some());
    }
    let one_more = view("one more", "/hosts", false);
    let full = store.keep_view(&ann, &one_more, at(2)).await.unwrap_err();
    assert!(full.to_string().contains("ann keeps 50 views"), "{full}");
    let the_same = view("v7", "/hosts?q=x", false);
    assert!(
        store
            .keep_view(&ann, &the_same, at(2))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(store.views(&ann).await.unwrap().len(), SavedView::MOST);
    let long = view(&"x".repeat(300), "/hosts", false);
    assert!(store.keep_view(&ann, &long, at(3)).await.is_err());

    // Who is no user any more has no views that could be forgotten.
    let (root, one_more) = (user("root"), view("one more", "/hosts", false));
    let made = store.create_user(&root, Role::Admin, None, at(4)).await;
    made.unwrap();
    assert!(store.remove_user(&ann, at(5)).await.unwrap());
    let gone = store.keep_view(&ann, &one_more, at(6)).await;
    assert_eq!(gone.unwrap(), None);
}
