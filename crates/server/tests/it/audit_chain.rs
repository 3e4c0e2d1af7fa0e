//! The chain of records, as an auditor reads it.

use lockstep_model::api::operator::ChainPage;
use lockstep_model::{ChainEntry, ChainSubject, RunRecord, check_chain};

use crate::run_commands::stopped;
use crate::world::{World, host, refused};

async fn page(world: &World, after: u64) -> ChainPage {
    let path = format!("/api/v1/audit/chain?after={after}");
    world.operator.get_json(&path).await.unwrap()
}

/// The whole chain, page by page.
async fn whole(world: &World) -> Vec<ChainEntry> {
    let mut entries: Vec<ChainEntry> = Vec::new();
    loop {
        let page = page(world, entries.last().map_or(0, |last| last.link.number)).await;
        assert!(page.entries.len() <= ChainPage::MOST as usize);
        if page.entries.is_empty() {
            assert_eq!(page.head, entries.last().map(|last| last.link));
            return entries;
        }
        entries.extend(page.entries);
    }
}

#[tokio::test]
async fn records_of_runs_and_deeds_are_one_chain() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let record = stopped(&world, 1);
    web1.send_run(&record).await.unwrap();
    web1.send_run(&record).await.unwrap();
    web1.acquire("os").await;
    world.free("os", None, "the disk burned").await.unwrap();

    let entries = whole(&world).await;
    let head = check_chain(None, &entries).unwrap();
    assert_eq!(head, entries.last().map(|last| last.link));
    let runs: Vec<&ChainEntry> = entries
        .iter()
        .filter(|entry| entry.subject == ChainSubject::Run(host("web1")))
        .collect();
    assert_eq!(runs.len(), 1, "the same record twice is one");
    let kept: RunRecord = serde_json::from_str(&runs[0].body).unwrap();
    assert_eq!(kept, record);
    let deeds: Vec<&str> = entries
        .iter()
        .filter(|entry| matches!(entry.subject, ChainSubject::Deed(_)))
        .map(|entry| entry.body.as_str())
        .collect();
    let freed = |deed: &&str| deed.contains("freed lock os of web1") && deed.contains("burned");
    assert!(deeds.iter().any(freed), "{deeds:?}");

    // Whoever noted the newest place can go on from there, and nothing is changed unseen.
    let noted = entries.last().unwrap().link;
    world.token(1, None).await;
    let next = page(&world, noted.number).await;
    assert_eq!(next.entries.len(), 1);
    assert_eq!(check_chain(Some(noted), &next.entries).unwrap(), next.head);
    let mut forged = entries;
    forged[0].body.push('!');
    assert_eq!(check_chain(None, &forged).unwrap_err().number, 1);
}

#[tokio::test]
async fn a_long_chain_comes_in_pages() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let records = (0..=255_u8).chain(0..=255).enumerate();
    for (index, number) in records {
        let mut record = stopped(&world, number);
        record.at += std::time::Duration::from_secs(index as u64);
        web1.send_run(&record).await.unwrap();
    }
    let first = page(&world, 0).await;
    assert_eq!(first.entries.len(), 500);
    let entries = whole(&world).await;
    assert!(entries.len() > 512, "{}", entries.len());
    assert_eq!(
        check_chain(None, &entries).unwrap(),
        entries.last().map(|last| last.link)
    );
    let behind = page(&world, u64::MAX).await;
    assert!(behind.entries.is_empty());
    assert_eq!(behind.head, entries.last().map(|last| last.link));
    for after in ["-1", "x", "1.5"] {
        let path = format!("/api/v1/audit/chain?after={after}");
        let answer = world.operator.get_json::<ChainPage>(&path).await;
        assert_eq!(refused(answer).0, 400, "{after}");
    }
}
