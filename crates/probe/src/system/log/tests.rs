use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::probe::Probe;
use crate::system::find;
use crate::system::world::{World, at};

const LOG: &str = "var/log/app.log";

struct Followed {
    world: World,
    probe: Arc<dyn Probe>,
}

impl Followed {
    fn new(world: World) -> Self {
        let order = world.order_with("log:/var/log/app.log", "ERROR");
        let probe = find(&order).unwrap().unwrap();
        Self { world, probe }
    }

    fn write(&self, text: &str) {
        let path = self.world.root().join(LOG);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test's file need not survive a power cut"
    )]
    fn rotate(&self) {
        let path = self.world.root().join(LOG);
        std::fs::rename(&path, path.with_extension("1")).unwrap();
    }

    async fn look(&self) -> String {
        let found = Arc::clone(&self.probe).look(at(0)).await;
        found[0].value.to_string()
    }
}

/// One whose first look is done.
async fn followed() -> Followed {
    let world = World::new();
    world.put(LOG, "ERROR of yesterday\n");
    let log = Followed::new(world);
    assert_eq!(log.look().await, "0.00");
    log
}

#[tokio::test]
async fn new_lines_are_counted_once() {
    let log = followed().await;
    log.write("ERROR a\nfine\nERROR b\n");
    assert_eq!(log.look().await, "2.00");
    assert_eq!(log.look().await, "0.00");
}

#[tokio::test]
async fn a_line_counts_when_it_is_complete() {
    let log = followed().await;
    log.write("ERR");
    assert_eq!(log.look().await, "0.00");
    log.write("OR a\n");
    assert_eq!(log.look().await, "1.00");
}

#[tokio::test]
async fn what_was_written_before_a_rotation_is_not_lost() {
    let log = followed().await;
    log.write("ERROR a\nERROR without an end");
    log.rotate();
    assert_eq!(log.look().await, "2.00", "the new file is not there yet");
    assert!(log.look().await.contains("No such file"));
    log.write("ERROR c\n");
    assert_eq!(log.look().await, "1.00");
    log.write("ERROR d\n");
    log.rotate();
    log.write("ERROR e\n");
    assert_eq!(log.look().await, "2.00");
    assert_eq!(log.look().await, "0.00");
}

#[tokio::test]
async fn a_truncated_log_is_read_from_its_beginning() {
    let log = followed().await;
    log.world.put(LOG, "ERROR\n");
    assert_eq!(log.look().await, "1.00");
    assert_eq!(log.look().await, "0.00");
}

#[tokio::test]
async fn a_log_that_appears_later_is_all_new() {
    let world = World::new();
    world.put("var/log/other", "");
    let log = Followed::new(world);
    assert!(log.look().await.contains("No such file"));
    log.write("ERROR a\n");
    assert_eq!(log.look().await, "1.00");
}

#[tokio::test]
async fn a_log_that_is_hidden_for_a_while_is_not_read_twice() {
    let log = followed().await;
    log.write("ERROR a\n");
    assert_eq!(log.look().await, "1.00");
    let path = log.world.root().join(LOG);
    let aside = path.with_extension("hidden");
    std::fs::hard_link(&path, &aside).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(log.look().await.contains("No such file"));
    std::fs::hard_link(&aside, &path).unwrap();
    log.write("ERROR b\n");
    assert_eq!(log.look().await, "1.00");
}

#[tokio::test]
async fn a_flood_is_read_over_several_looks() {
    let log = followed().await;
    let line = format!("ERROR {}\n", "x".repeat(93));
    log.write(&line.repeat(25_000));
    let mut total = 0.0;
    for looks in 1.. {
        let count: f64 = log.look().await.parse().unwrap();
        total += count;
        if count == 0.0 {
            assert!((3..=4).contains(&looks), "{looks} looks");
            break;
        }
    }
    assert!((total - 25_000.0).abs() < 0.5, "{total}");
}

#[tokio::test]
async fn overlong_lines_count_once_by_their_beginning() {
    let log = followed().await;
    let rest = "ERROR".repeat(1_000_000);
    log.write(&format!("{}{rest}", "x".repeat(LONGEST_LINE)));
    for _ in 0..6 {
        assert_eq!(log.look().await, "0.00");
    }
    log.write(&format!(" ERROR\nERROR{rest}"));
    assert_eq!(log.look().await, "1.00");
    for _ in 0..6 {
        assert_eq!(log.look().await, "0.00");
    }
    log.write("\nERROR\n");
    assert_eq!(log.look().await, "1.00");
}

proptest! {
    /// However a log is cut into looks, each complete line is counted once.
    #[test]
    fn lines_are_counted_once_whenever_one_looks(pieces in proptest::collection::vec("[E\n]{0,6}", 0..20)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = File::create(&path).unwrap();
        let mut follower = Follower::default();
        let mut look = || {
            let file = File::open(&path).unwrap();
            let metadata = file.metadata().unwrap();
            follower.follow(Ok((file, metadata)), |line| !line.is_empty()).unwrap().unwrap()
        };
        let mut counted = look();
        for piece in &pieces {
            file.write_all(piece.as_bytes()).unwrap();
            counted += look();
        }
        let all = pieces.concat();
        let complete = all.rsplit_once('\n').map_or("", |(complete, _)| complete);
        prop_assert_eq!(counted, complete.split('\n').filter(|line| !line.is_empty()).count());
    }
}
