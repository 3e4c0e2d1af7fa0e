//! SHA-256 of bytes that are at hand, and of bytes that pass by.

use std::io::{self, Read, Write};

use aws_lc_rs::digest::{self, Context, SHA256};
use lockstep_model::{Content, ContentHash};

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> ContentHash {
    wrap(digest::digest(&SHA256, bytes))
}

fn wrap(digest: digest::Digest) -> ContentHash {
    let bytes = digest.as_ref().try_into().expect("a SHA-256 has 32 bytes");
    ContentHash::from_digest(bytes)
}

/// Hashes and counts everything that is read or written through it.
pub(crate) struct Hashing<T> {
    inner: T,
    context: Context,
    length: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            context: Context::new(&SHA256),
            length: 0,
        }
    }

    /// The hash and the number of the bytes that passed.
    pub(crate) fn finish(self) -> (ContentHash, u64) {
        (wrap(self.context.finish()), self.length)
    }

    /// What was read or written, and the hash and the number of the bytes that passed.
    pub(crate) fn into_parts(self) -> (T, Content) {
        let (hash, length) = (wrap(self.context.finish()), self.length);
        (self.inner, Content { hash, length })
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.length += bytes.len() as u64;
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.saw(&buffer[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.saw(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_bytes_hash_as_bytes_at_hand() {
        let mut hashing = Hashing::new(&b"lockstep"[..]);
        io::copy(&mut hashing, &mut io::sink()).unwrap();
        assert_eq!(hashing.finish(), (sha256(b"lockstep"), 8));
    }
}
