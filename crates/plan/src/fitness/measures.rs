//! How long judging takes and how much is remembered. Run with `--run-ignored all --no-capture`.

use std::time::Duration;

use super::tests::{at, entry, number, sample, work};
use super::*;

fn usual_items() -> Vec<(String, &'static str)> {
    let plain = [
        "cpu_busy",
        "cpu_iowait",
        "cpu_steal",
        "memory_available",
        "swap_used",
    ];
    let mut items: Vec<_> = plain
        .iter()
        .map(|name| (String::from(*name), "%"))
        .collect();
    items.push(("cpu_load".into(), ""));
    for n in 0..18 {
        items.push((format!("disk_usage:/{n}"), "%"));
        items.push((format!("disk_free:/{n}"), "bytes"));
        items.push((format!("network_errors:eth{n}"), "%"));
    }
    items
}

fn batch(items: &[(String, &str)], minute: i64) -> Vec<lockstep_model::Sample> {
    let value = |n: usize| f64::from(u32::try_from(n).unwrap() * 37 % 90);
    items
        .iter()
        .enumerate()
        .map(|(n, (name, unit))| sample(name, minute * 60, number(value(n), unit)))
        .collect()
}

#[test]
#[ignore = "prints figures"]
fn judging_sixty_items_is_quick() {
    let items = usual_items();
    assert_eq!(items.len(), 60);
    let mut book = ItemBook::new();
    book.follow(&work(vec![entry("*", None)]));
    let batches: Vec<_> = (0..500).map(|minute| batch(&items, minute)).collect();
    let begin = std::time::Instant::now();
    for (minute, batch) in (0..).zip(&batches) {
        book.take(batch, at(minute * 60));
    }
    let each: Duration = begin.elapsed() / 500;
    let begin = std::time::Instant::now();
    let states: usize = (0..100).map(|_| book.states(None).len()).sum();
    let asking = begin.elapsed() / 100;
    println!("60 items: judged in {each:?}, states in {asking:?} ({states})");
    let json = serde_json::to_string(&book.snapshot()).unwrap();
    println!(
        "a record has {} bytes for each item",
        json.len() / items.len()
    );
}

#[test]
#[ignore = "prints figures"]
fn an_item_is_small() {
    let items = usual_items();
    let batches: Vec<_> = (0..30).map(|minute| batch(&items, minute)).collect();
    let before = resident_bytes();
    let books: Vec<_> = (0..200)
        .map(|_| {
            let mut book = ItemBook::new();
            for (minute, batch) in (0..).zip(&batches) {
                book.take(batch, at(minute * 60));
            }
            book
        })
        .collect();
    let each = (resident_bytes() - before) / (books.len() * items.len());
    println!(
        "an item takes {each} bytes, {} of them by itself; the built-in functions are shared",
        size_of::<super::item::Item>()
    );
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
