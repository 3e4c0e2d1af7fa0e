//! Deltas: they lead where they should, and what is no delta leads nowhere.

use std::fs::File;
use std::io::{Cursor, Write as _};

use lockstep_model::{
    Content, ContentHash, DeltaAlgorithm, DeltaDetails, DeltaEnd, PackageName, Platform,
};
use lockstep_trust::bundle;
use lockstep_trust::delta::{DeltaError, MAX_PREFIX_BYTES, apply, apply_packed, make};
use proptest::prelude::*;

use crate::world::version;

const ALGORITHMS: [DeltaAlgorithm; 2] = [DeltaAlgorithm::Bsdiff, DeltaAlgorithm::Zstd];

fn content(bytes: &[u8]) -> Content {
    Content {
        hash: ContentHash::of(bytes),
        length: bytes.len() as u64,
    }
}

fn details(algorithm: DeltaAlgorithm, old: &[u8], new: &[u8]) -> DeltaDetails {
    let end = |text, bytes| DeltaEnd {
        version: version(text),
        content: content(bytes),
    };
    DeltaDetails {
        package: PackageName::lockstep(),
        platform: Platform::parse("linux-x86_64").unwrap(),
        from: end("1.0.0", old),
        to: end("1.0.1", new),
        algorithm,
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// A patch in one of both ways, whichever is smaller.
fn patch(algorithm: DeltaAlgorithm, old: &[u8], new: &[u8]) -> Vec<u8> {
    match algorithm {
        DeltaAlgorithm::Bsdiff => {
            let mut patch = Vec::new();
            qbsdiff::Bsdiff::new(old, new)
                .compare(Cursor::new(&mut patch))
                .unwrap();
            patch
        }
        _ => {
            let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), 3, old).unwrap();
            encoder.window_log(27).unwrap();
            encoder.write_all(new).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// What comes out, or why nothing does; never more bytes than are signed.
fn applied(details: &DeltaDetails, old: &[u8], patch: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let mut out = Vec::new();
    let result = apply(details, &file(old), &file(patch), &mut out);
    assert!(out.len() as u64 <= details.to.content.length);
    result.map(|()| out)
}

/// Two neighbouring builds of a program, roughly: what has an address has another one.
fn programs() -> (Vec<u8>, Vec<u8>) {
    let mut random = 7_u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as u32
    };
    let words: Vec<u32> = (0..100_000).map(|_| next()).collect();
    let bytes = |shift: u32| {
        let moved = words.iter().enumerate().map(|(index, word)| {
            if index % 7 == 0 {
                word.wrapping_add(shift)
            } else {
                *word
            }
        });
        moved.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
    };
    (bytes(0), bytes(64))
}

#[test]
fn the_smaller_way_is_kept_and_leads_there() {
    let (old, new) = programs();
    let made = make(&old, &new).unwrap();
    assert_eq!(made.algorithm, DeltaAlgorithm::Bsdiff);
    assert_eq!(made.bytes.len() as u64, made.bsdiff);
    assert!(made.zstd.unwrap() > 4 * made.bsdiff, "{made:?}");
    assert_eq!(made, make(&old, &new).unwrap(), "it is the same each time");
    let details = details(made.algorithm, &old, &new);
    assert_eq!(applied(&details, &old, &made.bytes).unwrap(), new);
    // Where everything was only moved about, the other way has less to say.
    let mut turned = old.clone();
    turned.rotate_left(123_456);
    let made = make(&old, &turned).unwrap();
    assert_eq!(made.algorithm, DeltaAlgorithm::Zstd);
    assert_eq!(made.zstd, Some(made.bytes.len() as u64));
}

#[test]
fn a_packed_result_holds_the_archive() {
    let (old, new) = programs();
    for algorithm in ALGORITHMS {
        let details = details(algorithm, &old, &new);
        let mut packed = Vec::new();
        let patch = patch(algorithm, &old, &new);
        apply_packed(&details, &file(&old), &file(&patch), &mut packed).unwrap();
        let mut archive = Vec::new();
        let found = bundle::extract(packed.as_slice(), new.len() as u64, &mut archive).unwrap();
        assert_eq!((found, archive), (content(&new), new.clone()));
        let too_long = bundle::extract(packed.as_slice(), new.len() as u64 - 1, std::io::sink());
        assert!(too_long.unwrap_err().to_string().contains("more than"));
    }
}

#[test]
fn what_leads_elsewhere_is_refused() {
    let (old, new) = programs();
    let mut other = new.clone();
    other[5000] ^= 1;
    for algorithm in ALGORITHMS {
        let details = details(algorithm, &old, &new);
        let refused =
            |old: &[u8], patch: &[u8]| applied(&details, old, patch).unwrap_err().to_string();
        let to_other = patch(algorithm, &old, &other);
        assert!(refused(&old, &to_other).contains("the publisher signed"));
        let right = patch(algorithm, &old, &new);
        assert_eq!(applied(&details, &old, &right).unwrap(), new);
        // Another old archive.
        assert!(!refused(&other, &right).is_empty());
        // Less and more than was signed.
        let shorter = patch(algorithm, &old, &new[..new.len() - 1]);
        let longer = patch(algorithm, &old, &[&new[..], b"more"].concat());
        assert!(
            refused(&old, &shorter).contains("the signed")
                || refused(&old, &shorter).contains("it states")
        );
        let why = refused(&old, &longer);
        assert!(
            why.contains("more than the signed") || why.contains("it states"),
            "{why}"
        );
        assert!(!refused(&old, &right[..right.len() / 2]).is_empty());
        assert!(!refused(&old, b"").is_empty());
    }
    let unknown = details(DeltaAlgorithm::Unknown, &old, &new);
    assert!(matches!(
        applied(&unknown, &old, b"").unwrap_err(),
        DeltaError::UnknownAlgorithm
    ));
}

/// A patch of bsdiff from its three streams.
fn bsdiff(steps: &[[i64; 3]], added: &[u8], inserted: &[u8], result: i64) -> Vec<u8> {
    let packed = |bytes: &[u8]| {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let number = |value: i64| match value < 0 {
        true => (value.unsigned_abs() | 1 << 63).to_le_bytes(),
        false => value.to_le_bytes(),
    };
    let steps: Vec<u8> = steps
        .iter()
        .flatten()
        .flat_map(|value| number(*value))
        .collect();
    let (steps, added, inserted) = (packed(&steps), packed(added), packed(inserted));
    let lengths = [steps.len() as i64, added.len() as i64, result];
    let header = lengths.into_iter().flat_map(number);
    let mut patch: Vec<u8> = b"BSDIFF40".iter().copied().chain(header).collect();
    patch.extend([steps, added, inserted].concat());
    patch
}

#[test]
fn hostile_patches_are_refused_without_work() {
    let (old, new) = (b"the old archive".as_slice(), b"THE NEW".as_slice());
    let details = details(DeltaAlgorithm::Bsdiff, old, new);
    let length = new.len() as i64;
    let good = bsdiff(&[[0, length, 0]], b"", new, length);
    assert_eq!(applied(&details, old, &good).unwrap(), new);
    let most = i64::MAX;
    let hostile: [(&str, Vec<u8>); 10] = [
        ("it states", bsdiff(&[[0, length, 0]], b"", new, most)),
        (
            "more than the signed",
            bsdiff(&[[0, most, 0]], b"", new, length),
        ),
        ("reads where", bsdiff(&[[most, 0, 0]], b"", new, length)),
        (
            "reads where",
            bsdiff(&[[0, 0, -1], [1, 6, 0]], b"a", new, length),
        ),
        (
            "skips too far",
            bsdiff(&[[0, 0, most], [0, 0, most]], b"", new, length),
        ),
        ("negative length", bsdiff(&[[-1, 0, 0]], b"", new, length)),
        ("negative length", bsdiff(&[[0, -1, 0]], b"", new, length)),
        ("negative length", bsdiff(&[], b"", new, -1)),
        (
            "come to an end",
            bsdiff(&vec![[0, 0, 0]; 10_000], b"", new, length),
        ),
        ("streams is damaged", bsdiff(&[[0, 3, 0]], b"", new, length)),
    ];
    for (words, patch) in hostile {
        let why = applied(&details, old, &patch).unwrap_err().to_string();
        assert!(why.contains(words), "{words}: {why}");
    }
    // A header whose streams reach behind the file, and over the end of numbers.
    for length in [1000_u64, 1 << 62, u64::MAX >> 1] {
        let mut patch = good.clone();
        patch[8..16].copy_from_slice(&length.to_le_bytes());
        patch[16..24].copy_from_slice(&length.to_le_bytes());
        let why = applied(&details, old, &patch).unwrap_err().to_string();
        assert!(why.contains("behind its end"), "{why}");
    }
}

#[test]
fn a_small_frame_that_unpacks_to_a_sea_is_refused_without_drowning() {
    let (old, new) = programs();
    let mut details = details(DeltaAlgorithm::Zstd, &old, &new);
    let sea = vec![0; 64 << 20];
    let frame = patch(DeltaAlgorithm::Zstd, &old, &sea);
    assert!(frame.len() < 10_000);
    let why = applied(&details, &old, &frame).unwrap_err().to_string();
    assert!(why.contains("more than the signed"), "{why}");
    // Signed archives that are too large for a host's memory are not even read.
    details.from.content.length = MAX_PREFIX_BYTES;
    let why = applied(&details, &old, &frame).unwrap_err();
    assert!(matches!(why, DeltaError::TooLarge { .. }), "{why}");
}

/// An archive, and another that was made of pieces of it and of new ones.
fn neighbours() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most);
    let pieces = proptest::collection::vec(
        (any::<prop::sample::Index>(), 0_usize..2000, bytes(200)),
        0..12,
    );
    (bytes(6000), pieces).prop_map(|(old, pieces)| {
        let mut new = Vec::new();
        for (at, length, own) in pieces {
            if !old.is_empty() {
                let at = at.index(old.len());
                new.extend(&old[at..(at + length).min(old.len())]);
            }
            new.extend(own);
        }
        (old, new)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_delta_leads_there((old, new) in neighbours()) {
        let made = make(&old, &new).unwrap();
        let own = details(made.algorithm, &old, &new);
        prop_assert_eq!(&applied(&own, &old, &made.bytes).unwrap(), &new);
        for algorithm in ALGORITHMS {
            let details = details(algorithm, &old, &new);
            let patch = patch(algorithm, &old, &new);
            prop_assert_eq!(&applied(&details, &old, &patch).unwrap(), &new);
        }
    }

    #[test]
    fn garbage_never_panics(
        (old, new) in neighbours(),
        garbage in proptest::collection::vec(any::<u8>(), 0..300),
        with_magic in any::<bool>(),
    ) {
        for algorithm in ALGORITHMS {
            let details = details(algorithm, &old, &new);
            let mut patch = match (with_magic, algorithm) {
                (true, DeltaAlgorithm::Bsdiff) => b"BSDIFF40".to_vec(),
                (true, _) => vec![0x28, 0xb5, 0x2f, 0xfd],
                _ => Vec::new(),
            };
            patch.extend(&garbage);
            let _ = applied(&details, &old, &patch);
        }
    }

    #[test]
    fn a_changed_byte_never_goes_unseen(
        (old, new) in neighbours(),
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        for algorithm in ALGORITHMS {
            let details = details(algorithm, &old, &new);
            let mut patch = patch(algorithm, &old, &new);
            let at = at.index(patch.len());
            patch[at] ^= change;
            // A byte may be one that nobody reads; then the result is right all the same.
            if let Ok(result) = applied(&details, &old, &patch) {
                prop_assert_eq!(&result, &new);
            }
        }
    }
}
