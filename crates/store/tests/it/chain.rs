//! The chain of records and deeds.

use lockstep_model::api::operator::ChainPage;
use lockstep_model::{ChainEntry, ChainLink, ChainSubject, RunRecord, check_chain};
use lockstep_store::{Error, Store, WasOpen};

use crate::engine::Place;
use crate::samples::{at, done, enroll, host, record};

const DAY: i64 = 86_400;

/// All of it, in pages of seven.
async fn whole(store: &Store) -> (Vec<ChainEntry>, Option<ChainLink>) {
    let mut entries: Vec<ChainEntry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.link.number);
        let page = store.chain_after(after, 7).await.unwrap();
        assert!(page.entries.len() <= 7);
        if page.entries.is_empty() {
            return (entries, page.head);
        }
        entries.extend(page.entries);
    }
}

/// The chain is whole, and ends where the store says.
async fn verify(store: &Store) -> Vec<ChainEntry> {
    let (entries, head) = whole(store).await;
    let end = check_chain(None, &entries).unwrap();
    assert!(end.is_none() || end == head);
    entries
}

pub(crate) async fn what_is_stored_is_in_the_chain(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    let nothing = ChainPage {
        entries: Vec::new(),
        head: None,
    };
    assert_eq!(store.chain_after(0, 10).await.unwrap(), nothing);

    let mut linked = record(1, 0, 10);
    linked.link = Some(ChainLink {
        number: 4,
        before: crate::samples::hash(3),
        hash: crate::samples::hash(4),
    });
    let end = done(record(1, 0, 20));
    // Neither the same again nor an older one changes anything, so nothing is said of them.
    for run in [&linked, &linked, &end, &end, &linked] {
        store.record_run(&web1, run, at(50)).await.unwrap();
    }
    assert!(store.record_run(&host("web9"), &end, at(50)).await.is_err());
    store
        .record_audit("ann", "freed \0 it", at(60))
        .await
        .unwrap();

    let entries = verify(&store).await;
    let said: Vec<_> = entries.iter().map(|it| (&it.subject, it.at)).collect();
    let of_run = ChainSubject::Run(web1.clone());
    let deed = ChainSubject::Deed("ann".into());
    assert_eq!(
        said,
        [(&of_run, at(50)), (&of_run, at(50)), (&deed, at(60))]
    );
    assert_eq!(entries[2].body, "freed \u{fffd} it");
    for (entry, run) in entries.iter().zip([&linked, &end]) {
        let body: RunRecord = serde_json::from_str(&entry.body).unwrap();
        assert_eq!(body, *run);
    }
    assert_eq!(store.audit(9).await.unwrap().len(), 1);
}

pub(crate) async fn two_servers_write_one_chain(place: Place) {
    let stores = [place.open().await, place.open().await];
    let names: Vec<_> = (0..10).map(|number| format!("web{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    enroll(&stores[0], &names).await;
    let writes: Vec<_> = (0..200_usize)
        .map(|number| {
            let store = stores[number % 2].clone();
            let name = host(&format!("web{}", number / 2 % 10));
            tokio::spawn(async move {
                if number % 5 == 0 {
                    store.record_audit("ann", &number.to_string(), at(1)).await
                } else {
                    // No two of them are of one run.
                    let run = record(number as u8, 0, 5);
                    store.record_run(&name, &run, at(1)).await
                }
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let entries = verify(&stores[1]).await;
    assert_eq!(entries.len(), 200);
    assert_eq!(entries[0].link.number, 1);
    assert_eq!(stores[0].runs(None, 1000).await.unwrap().len(), 160);
    // Each deed is there once.
    let mut deeds: Vec<usize> = entries
        .iter()
        .filter(|entry| matches!(entry.subject, ChainSubject::Deed(_)))
        .map(|entry| entry.body.parse().unwrap())
        .collect();
    deeds.sort_unstable();
    assert_eq!(deeds, (0..200).step_by(5).collect::<Vec<_>>());
}

pub(crate) async fn a_restored_chain_goes_on(place: Place) {
    let store = place.open().await;
    for second in 0..5 {
        store.record_audit("ann", "it", at(second)).await.unwrap();
    }
    let before = verify(&store).await;
    let mut dump = Vec::new();
    store.dump(&mut dump).await.unwrap();
    let other_place = place.engine.fresh();
    let other = other_place.open().await;
    other
        .restore(&mut dump.as_slice(), WasOpen::Stays)
        .await
        .unwrap();
    assert_eq!(verify(&other).await, before);
    other.record_audit("ann", "more", at(9)).await.unwrap();
    let after = verify(&other).await;
    assert_eq!(after[..5], before);
    assert_eq!(after[5].link.before, before[4].link.hash);
}

pub(crate) async fn the_oldest_entries_are_forgotten(place: Place) {
    let store = place.open().await;
    // The clock was wrong for a while: what is behind an entry that is kept is kept.
    let days = [0, 10, 800, 20, 810];
    for day in days {
        store
            .record_audit("ann", "it", at(day * DAY))
            .await
            .unwrap();
    }
    let all = verify(&store).await;
    assert_eq!(store.tidy(at(731 * DAY)).await.unwrap().chain, 0);
    assert_eq!(store.tidy(at(810 * DAY)).await.unwrap().chain, 2);
    let kept = verify(&store).await;
    assert_eq!(kept, all[2..]);
    assert_eq!(kept[0].link.before, all[1].link.hash);
    check_chain(Some(all[1].link), &kept).unwrap();
    // When nothing is left, the next one still follows.
    assert_eq!(store.tidy(at(9_000 * DAY)).await.unwrap().chain, 3);
    let empty = store.chain_after(0, 9).await.unwrap();
    assert_eq!((empty.entries.len(), empty.head), (0, Some(all[4].link)));
    store
        .record_audit("ann", "it", at(9_000 * DAY))
        .await
        .unwrap();
    check_chain(Some(all[4].link), &verify(&store).await).unwrap();
}

pub(crate) async fn whoever_changes_a_row_is_found_out(place: Place) {
    for (sql, words) in [
        (
            "UPDATE chain SET body = 'nothing' WHERE number = 2",
            "entry 2: its contents",
        ),
        (
            "UPDATE chain SET written_at = written_at + 1 WHERE number = 2",
            "entry 2: its contents",
        ),
        (
            "UPDATE chain SET subject = '{\"deed\":\"bob\"}' WHERE number = 3",
            "entry 3: its contents",
        ),
        (
            "DELETE FROM chain WHERE number = 2",
            "entry 2: an entry is missing",
        ),
        (
            "DELETE FROM chain WHERE number = 4",
            "entry 4: an entry is missing",
        ),
    ] {
        let place = place.engine.fresh();
        let store = place.open().await;
        for second in 0..4 {
            store
                .record_audit("ann", &format!("deed {second}"), at(second))
                .await
                .unwrap();
        }
        verify(&store).await;
        place.execute(sql).await;
        store.record_audit("ann", "later", at(9)).await.unwrap();
        let (entries, _) = whole(&store).await;
        let broken = check_chain(None, &entries).unwrap_err().to_string();
        assert!(broken.contains(words), "{sql}: {broken}");
    }
    // Who sets the chain back as a whole is found by whoever noted where it ended.
    let store = place.open().await;
    for second in 0..3 {
        store.record_audit("ann", "it", at(second)).await.unwrap();
    }
    let noted = store.chain_after(0, 9).await.unwrap().head;
    place.execute("DELETE FROM chain WHERE number = 3").await;
    place
        .execute(
            "UPDATE chain_head SET number = 2, hash = (SELECT hash FROM chain WHERE number = 2), \
             before_hash = (SELECT before_hash FROM chain WHERE number = 2)",
        )
        .await;
    store.record_audit("ann", "other", at(2)).await.unwrap();
    store.record_audit("ann", "more", at(3)).await.unwrap();
    let entries = verify(&store).await;
    assert!(check_chain(noted, &entries[3..]).is_err());
    // What is not an entry at all is named.
    place
        .execute("UPDATE chain SET subject = '' WHERE number = 1")
        .await;
    let error = store.chain_after(0, 9).await.unwrap_err();
    assert!(
        matches!(&error, Error::Damaged { table: "chain", key, .. } if key == "1"),
        "{error}"
    );
}

pub(crate) async fn pages_are_bounded(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    // Written as JSON, each is six times as long.
    for number in 0..50 {
        let mut large = record(number, 0, 5);
        large.log = "\u{1}".repeat(RunRecord::LONGEST_LOG);
        store
            .record_run(&host("web1"), &large, at(1))
            .await
            .unwrap();
    }
    let page = store.chain_after(0, u32::MAX).await.unwrap();
    let bytes: usize = page.entries.iter().map(|entry| entry.body.len()).sum();
    assert!(
        bytes <= 8 * 1024 * 1024 && (30..50).contains(&page.entries.len()),
        "{bytes}"
    );
    assert_eq!(page.head.unwrap().number, 50);
    let rest = store
        .chain_after(page.entries.len() as u64, u32::MAX)
        .await
        .unwrap();
    let end = check_chain(page.entries.last().map(|it| it.link), &rest.entries).unwrap();
    assert_eq!(end, page.head);
    assert_eq!(store.chain_after(u64::MAX, 9).await.unwrap().entries, []);
}
