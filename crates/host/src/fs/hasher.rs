//! The SHA-256 of files, without holding them in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use lockstep_model::{Content, ContentHash};

use crate::error::{Attempt, Result};

/// Hashes bytes as they come.
#[derive(Clone)]
pub struct Hasher(Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes.
    #[must_use]
    pub fn finish(self) -> ContentHash {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        ContentHash::from_digest(digest)
    }
}

/// The hash of a file.
pub fn hash_file(path: &Path) -> Result<ContentHash> {
    let mut reader = HashingReader::new(File::open(path).reading(path)?);
    let mut buffer = vec![0; 64 * 1024];
    while reader.read(&mut buffer).reading(path)? > 0 {}
    Ok(reader.finish())
}

/// Hashes and counts what is read through it.
#[derive(Debug)]
pub(crate) struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
    length: u64,
}

impl<R: Read> HashingReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
            length: 0,
        }
    }

    pub(crate) fn finish(self) -> ContentHash {
        self.hasher.finish()
    }

    /// What was read from, and what came out of it.
    pub(crate) fn into_parts(self) -> (R, Content) {
        let (hash, length) = (self.hasher.finish(), self.length);
        (self.inner, Content { hash, length })
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.length += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        let mut hasher = Hasher::default();
        hasher.update(b"a");
        hasher.update(b"bc");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hasher.finish().to_string(), expected);
    }
}
