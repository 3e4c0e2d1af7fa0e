//! Bits in bytes, the lowest first.

use super::Garbage;

/// Bits that say how long a number is.
const WIDTH_BITS: u32 = 7;

/// Collects bits.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// The bits that do not fill a byte yet.
    open: u64,
    count: u32,
}

impl Writer {
    /// Adds the lowest `bits` bits of the value, at most 64.
    pub(crate) fn put(&mut self, value: u64, bits: u32) {
        if bits > 32 {
            self.put(value & 0xffff_ffff, 32);
            return self.put(value >> 32, bits - 32);
        }
        self.open |= (value & ((1 << bits) - 1)) << self.count;
        self.count += bits;
        while self.count >= 8 {
            self.bytes.push(self.open as u8);
            self.open >>= 8;
            self.count -= 8;
        }
    }

    /// Adds a number of any size; small ones are short.
    pub(crate) fn number(&mut self, value: u64) {
        let width = 64 - value.leading_zeros();
        self.put(u64::from(width), WIDTH_BITS);
        self.put(value, width);
    }

    /// Adds a number with a sign.
    pub(crate) fn signed(&mut self, value: i64) {
        self.number(zigzag(value));
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.open as u8);
        }
        self.bytes
    }
}

/// Reads bits back.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// At least the next 57 bits; behind the end come zeros.
    pub(crate) fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.position / 8..).unwrap_or_default();
        let word = match rest.first_chunk::<8>() {
            Some(word) => u64::from_le_bytes(*word),
            None => rest
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        word >> (self.position % 8)
    }

    /// Goes on by so many bits.
    pub(crate) fn skip(&mut self, bits: u32) -> Result<(), Garbage> {
        self.position += bits as usize;
        if self.position > self.bytes.len() * 8 {
            return Err(Garbage("it is cut off"));
        }
        Ok(())
    }

    /// The next `bits` bits, at most 64.
    pub(crate) fn take(&mut self, bits: u32) -> Result<u64, Garbage> {
        if bits > 32 {
            let low = self.take(32)?;
            return Ok(low | self.take(bits - 32)? << 32);
        }
        let value = self.peek() & ((1 << bits) - 1);
        self.skip(bits)?;
        Ok(value)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Garbage> {
        match self.take(WIDTH_BITS)? {
            width @ 0..=64 => self.take(width as u32),
            _ => Err(Garbage("a number is longer than 64 bits")),
        }
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Garbage> {
        self.number().map(unzigzag)
    }
}

/// Small numbers of either sign become small numbers: 0, -1, 1, -2 …
pub(crate) fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)) as u64
}

/// The opposite of [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
