//! Artifacts.

use std::io::SeekFrom;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream;
use lockstep_model::ContentHash;
use lockstep_store::{Artifacts, Error};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// 300,000 bytes and their SHA-256.
fn bundle() -> (Vec<u8>, ContentHash) {
    let bytes: Vec<u8> = (0..300_000_u32)
        .flat_map(|n| (n as u8).to_le_bytes())
        .collect();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let hash = ContentHash::from_digest(digest.as_ref().try_into().unwrap());
    (bytes, hash)
}

fn in_chunks(
    bytes: &[u8],
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    let chunks: Vec<_> = bytes
        .chunks(7000)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    stream::iter(chunks)
}

fn files(directory: &Path) -> Vec<String> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn an_artifact_is_stored_read_in_parts_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::in_directory(directory.path().join("deep/artifacts"))
        .await
        .unwrap();
    let (bytes, hash) = bundle();
    assert!(!artifacts.contains(&hash).await.unwrap());
    assert!(artifacts.open(&hash).await.unwrap().is_none());
    let stored = artifacts
        .put(in_chunks(&bytes), &hash, bytes.len() as u64)
        .await
        .unwrap();
    assert_eq!((stored.hash, stored.length), (hash, bytes.len() as u64));
    assert!(artifacts.contains(&hash).await.unwrap());
    assert_eq!(std::fs::read(artifacts.path(&hash)).unwrap(), bytes);

    let (mut file, length) = artifacts.open(&hash).await.unwrap().unwrap();
    assert_eq!(length, bytes.len() as u64);
    file.seek(SeekFrom::Start(123_456)).await.unwrap();
    let mut part = [0; 1000];
    file.read_exact(&mut part).await.unwrap();
    assert_eq!(part, bytes[123_456..124_456]);

    assert!(artifacts.remove(&hash).await.unwrap());
    assert!(!artifacts.remove(&hash).await.unwrap());
    assert!(!artifacts.contains(&hash).await.unwrap());
    // Who was reading it reads on.
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, bytes[124_456..]);
}

#[tokio::test]
async fn what_is_not_as_announced_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::in_directory(directory.path()).await.unwrap();
    let (bytes, hash) = bundle();
    let max = bytes.len() as u64;

    let mut flipped = bytes.clone();
    flipped[200_000] ^= 1;
    let error = artifacts
        .put(in_chunks(&flipped), &hash, max)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ArtifactDiffers { .. }), "{error}");
    let error = artifacts
        .put(in_chunks(&bytes[..1000]), &hash, max)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::ArtifactDiffers { length: 1000, .. }),
        "{error}"
    );
    let error = artifacts
        .put(in_chunks(&bytes), &hash, max - 1)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ArtifactTooLong { .. }), "{error}");
    let broken = stream::iter([
        Ok(Bytes::from_static(b"begin")),
        Err(std::io::Error::other("the line is dead")),
    ]);
    let error = artifacts.put(broken, &hash, max).await.unwrap_err();
    assert!(
        matches!(error, Error::ArtifactCutOff { received: 5, .. }),
        "{error}"
    );
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the line is dead");
    assert_eq!(files(directory.path()), [""; 0]);

    // Nor does one who goes away in the middle.
    let endless = stream::pending::<Result<Bytes, std::io::Error>>();
    let putting = artifacts.put(endless, &hash, max);
    let gone = tokio::time::timeout(std::time::Duration::from_millis(50), putting).await;
    assert!(gone.is_err());
    assert_eq!(files(directory.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_artifact_may_come_many_times_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::in_directory(directory.path()).await.unwrap();
    let (bytes, hash) = bundle();
    let putting: Vec<_> = (0..16)
        .map(|_| {
            let (artifacts, chunks) = (artifacts.clone(), in_chunks(&bytes));
            tokio::spawn(async move { artifacts.put(chunks, &hash, 1 << 30).await })
        })
        .collect();
    for stored in putting {
        stored.await.unwrap().unwrap();
    }
    assert_eq!(files(directory.path()), [hash.to_string()]);
    // It also mends what was damaged.
    std::fs::File::options()
        .write(true)
        .open(artifacts.path(&hash))
        .unwrap()
        .set_len(10)
        .unwrap();
    artifacts
        .put(in_chunks(&bytes), &hash, 1 << 30)
        .await
        .unwrap();
    assert_eq!(std::fs::read(artifacts.path(&hash)).unwrap(), bytes);
}

#[tokio::test]
async fn what_a_dead_server_left_is_removed_and_what_a_living_one_writes_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let first = Artifacts::in_directory(directory.path()).await.unwrap();
    let (bytes, hash) = bundle();
    std::fs::File::create(directory.path().join("incoming-dead")).unwrap();
    std::fs::File::create(directory.path().join("of the operator")).unwrap();

    let (line, chunks) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let chunks = stream::unfold(chunks, async |mut chunks| {
        Some((chunks.recv().await?, chunks))
    });
    let putting = {
        let first = first.clone();
        tokio::spawn(async move { first.put(chunks, &hash, 1 << 30).await })
    };
    // Once there is room for the second one, the first one was taken: the file is there.
    for chunk in bytes.chunks(100_000) {
        line.send(Ok(Bytes::copy_from_slice(chunk))).await.unwrap();
    }
    assert_eq!(files(directory.path()).len(), 3);
    Artifacts::in_directory(directory.path()).await.unwrap();
    let left = files(directory.path());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.contains(&"incoming-dead".into()));
    drop(line);
    putting.await.unwrap().unwrap();
    assert!(first.contains(&hash).await.unwrap());
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::File::create(&file).unwrap();
    let error = Artifacts::in_directory(file.join("artifacts"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("failed to make the directory of artifacts /"),
        "{error}"
    );
}
