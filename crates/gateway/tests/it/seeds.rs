//! Each fuzz target over its seeds, and over random mutations of them: a little of `scripts/fuzz` in each run of the
//! tests. What the targets do is in `fuzz/src/gateways.rs`, which is included as it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

#[path = "../../../../fuzz/src/gateways.rs"]
mod gateways;

/// Mutations for each target.
const MUTATIONS: usize = 2_000;
/// Longest input, in bytes; what is bounded by more is for the fuzzer.
const LONGEST: usize = 8_192;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let directory = root.join("../../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&directory).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    // The same order everywhere, so that a seed of the random numbers leads to the same inputs.
    paths.sort();
    let seeds = paths.iter().map(|path| std::fs::read(path).unwrap());
    seeds.collect()
}

/// A few changes: bytes that are others, are gone, or are there twice, a part of another seed, or a sign that parsers
/// look at.
fn mutated(random: &mut fastrand::Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    const SIGNS: &[&[u8]] = &[
        b"",
        b"\n",
        b"\r\n",
        b"\0",
        b"\\",
        b"\"",
        b"'",
        b"[",
        b"]",
        b"{",
        b"}",
        b"=",
        b":",
        b"/",
        b"..",
        b",",
        b"%",
        b"%2",
        b"#",
        b"*",
        b"+",
        b"-1",
        b"0",
        b"1e999",
        b"99999999999999999999",
        b"18446744073709551615",
        b"\xff",
        "\u{fffd}".as_bytes(),
        "\u{212a}".as_bytes(),
        b"include",
    ];
    let mut input = seed.to_vec();
    for _ in 0..random.usize(1..6) {
        let begin = random.usize(0..=input.len());
        let end = random.usize(begin..=input.len().min(begin + 64));
        match random.u8(0..6) {
            0 if begin < input.len() => input[begin] = random.u8(..),
            1 if begin < input.len() => input[begin] ^= 1 << random.u8(0..8),
            2 => drop(input.drain(begin..end)),
            3 => {
                let part = input[begin..end].to_vec();
                let at = random.usize(0..=input.len());
                input.splice(at..at, part);
            }
            4 => {
                let from = random.usize(0..=other.len());
                let to = random.usize(from..=other.len().min(from + 256));
                input.splice(begin..end, other[from..to].iter().copied());
            }
            _ => {
                let sign = SIGNS[random.usize(..SIGNS.len())];
                input.splice(begin..end, sign.iter().copied());
            }
        }
    }
    input.truncate(LONGEST);
    input
}

#[test]
fn no_target_fails_on_its_seeds_or_mutations_of_them() {
    let seed = match std::env::var("LOCKSTEP_TEST_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => fastrand::u64(..),
    };
    println!("LOCKSTEP_TEST_SEED={seed}");
    for (name, target) in gateways::TARGETS {
        let mut random = fastrand::Rng::with_seed(seed);
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has seeds");
        let mutations = (0..MUTATIONS).map(|_| {
            let [one, other] = [(); 2].map(|()| random.usize(..seeds.len()));
            mutated(&mut random, &seeds[one], &seeds[other])
        });
        for input in seeds.iter().cloned().chain(mutations.collect::<Vec<_>>()) {
            let outcome = catch_unwind(AssertUnwindSafe(|| target(&input)));
            assert!(
                outcome.is_ok(),
                "{name} failed on b\"{}\"",
                input.escape_ascii()
            );
        }
    }
}
