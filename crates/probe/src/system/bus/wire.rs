//! Values as D-Bus writes them: each aligned to its size, counted from the beginning of the message.

/// Writes values, the lowest byte first.
#[derive(Debug, Default, Clone, PartialEq)]
pub(in crate::system) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(in crate::system) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(in crate::system) fn align(&mut self, size: usize) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(size), 0);
    }

    pub(in crate::system) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Also a boolean, which is 0 or 1.
    pub(in crate::system) fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    /// Also an object's path.
    pub(in crate::system) fn string(&mut self, value: &str) {
        self.u32(u32::try_from(value.len()).expect("texts that are asked with are short"));
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
    }

    pub(in crate::system) fn signature(&mut self, value: &str) {
        self.u8(u8::try_from(value.len()).expect("signatures are short"));
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
    }

    /// An array whose elements are aligned to `size`.
    pub(in crate::system) fn array(&mut self, size: usize, elements: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length_at = self.bytes.len() - 4;
        self.align(size);
        let begin = self.bytes.len();
        elements(self);
        let length = u32::try_from(self.bytes.len() - begin).expect("lists are short");
        self.bytes[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// Reads values. Whatever is not as it should be is none.
#[derive(Debug)]
pub(in crate::system) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    is_big_endian: bool,
}

impl<'a> Reader<'a> {
    pub(in crate::system) fn new(bytes: &'a [u8], is_big_endian: bool) -> Self {
        Self {
            bytes,
            at: 0,
            is_big_endian,
        }
    }

    pub(in crate::system) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(in crate::system) fn align(&mut self, size: usize) -> Option<()> {
        self.at = self.at.checked_next_multiple_of(size)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(in crate::system) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(in crate::system) fn u32(&mut self) -> Option<u32> {
        self.align(4)?;
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if self.is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    pub(in crate::system) fn string(&mut self) -> Option<&'a str> {
        let length = self.u32()?;
        self.text(length.try_into().ok()?)
    }

    pub(in crate::system) fn signature(&mut self) -> Option<&'a str> {
        let length = self.u8()?;
        self.text(length.into())
    }

    fn text(&mut self, length: usize) -> Option<&'a str> {
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        (self.u8()? == 0).then_some(text)
    }

    /// An array of structures.
    pub(in crate::system) fn structs<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.align(8)?;
        let end = self.at.checked_add(length)?;
        if end > self.bytes.len() {
            return None;
        }
        let mut structs = Vec::new();
        while self.at < end {
            // None of them is empty, so this ends.
            self.align(8)?;
            let before = self.at;
            structs.push(read(self)?);
            (self.at > before).then_some(())?;
        }
        (self.at == end).then_some(structs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_aligned() {
        let mut writer = Writer::default();
        writer.u8(7);
        writer.string("ab");
        writer.signature("s");
        writer.array(8, |array| {
            array.align(8);
            array.u32(1);
        });
        assert_eq!(
            writer.into_bytes(),
            [
                7, 0, 0, 0, 2, 0, 0, 0, b'a', b'b', 0, 1, b's', 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1,
                0, 0, 0
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(texts in proptest::collection::vec(("\\PC{0,20}", any::<u32>()), 0..10)) {
            let mut writer = Writer::default();
            writer.array(8, |array| for (text, number) in &texts {
                array.align(8);
                array.string(text);
                array.u32(*number);
            });
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes, false);
            let read = reader.structs(|one| Some((one.string()?.to_owned(), one.u32()?)));
            prop_assert_eq!(read, Some(texts));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..100), big: bool) {
            let mut reader = Reader::new(&bytes, big);
            reader.structs(|one| Some((one.string()?.to_owned(), one.signature()?.to_owned(), one.u8()?)));
            super::super::header(&bytes, big);
        }
    }
}
