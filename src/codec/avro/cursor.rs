//! Reads Avro's binary primitives from a slice (Avro 1.12, "Binary encoding").
//!
//! Every length is checked against what is left before it is used, so a wrong one costs nothing.
//! Errors are bare codes: the caller knows the field, and the cursor knows the byte.

use crate::codec::error::DecodeCode;

/// A place in bare Avro.
pub(super) struct AvroCursor<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> AvroCursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// How many bytes were read.
    pub(super) fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// How many bytes are left.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// A variable-length zig-zag number of 64 bits.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, DecodeCode> {
        // Lengths, indexes and small numbers take one byte; nearly all numbers are such.
        if let [byte @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(un_zig_zag(u64::from(*byte)));
        }
        self.longer()
    }

    fn longer(&mut self) -> Result<i64, DecodeCode> {
        let mut number = 0_u64;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte holds the last of 64 bits.
            if at == 9 && *byte > 1 {
                return Err(DecodeCode::Malformed);
            }
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(un_zig_zag(number));
            }
        }
        Err(DecodeCode::Truncated)
    }

    /// A variable-length zig-zag number of 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, DecodeCode> {
        i32::try_from(self.long()?).map_err(|_| DecodeCode::OutOfRange)
    }

    /// One byte, 0 or 1.
    #[inline]
    pub(super) fn boolean(&mut self) -> Result<bool, DecodeCode> {
        match self.rest {
            [0, rest @ ..] => {
                self.rest = rest;
                Ok(false)
            }
            [1, rest @ ..] => {
                self.rest = rest;
                Ok(true)
            }
            [] => Err(DecodeCode::Truncated),
            _ => Err(DecodeCode::Malformed),
        }
    }

    /// So many bytes.
    #[inline]
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeCode> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeCode::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// A length and so many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], DecodeCode> {
        let length = usize::try_from(self.long()?).map_err(|_| DecodeCode::Malformed)?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(DecodeCode::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// Text.
    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, DecodeCode> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeCode::InvalidText)
    }

    /// Index of an enum's symbol or a union's member, below `count`.
    #[inline]
    pub(super) fn index(&mut self, count: usize) -> Result<usize, DecodeCode> {
        let index = usize::try_from(self.long()?).map_err(|_| DecodeCode::Malformed)?;
        if index < count { Ok(index) } else { Err(DecodeCode::Malformed) }
    }

    /// The number of items in the next block of an array; 0 ends the array. Every item takes at
    /// least `item_bytes`, so a count that the rest cannot hold is refused here.
    pub(super) fn block(&mut self, item_bytes: usize) -> Result<usize, DecodeCode> {
        let mut count = self.long()?;
        if count < 0 {
            // A negative count is followed by the block's size in bytes, for those who skip it.
            count = count.checked_neg().ok_or(DecodeCode::Malformed)?;
            if self.long()? < 0 {
                return Err(DecodeCode::Malformed);
            }
        }
        let count = usize::try_from(count).map_err(|_| DecodeCode::Malformed)?;
        match count.checked_mul(item_bytes) {
            Some(bytes) if bytes <= self.rest.len() => Ok(count),
            _ => Err(DecodeCode::Truncated),
        }
    }
}

#[inline]
fn un_zig_zag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(bytes: &[u8]) -> Result<i64, DecodeCode> {
        AvroCursor::new(bytes).long()
    }

    #[test]
    fn numbers_at_their_limits() {
        assert_eq!(long(&[0x00]), Ok(0));
        assert_eq!(long(&[0x01]), Ok(-1));
        assert_eq!(long(&[0x80, 0x01]), Ok(64));
        let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(long(&longest), Ok(i64::MIN));
        let mut largest = longest;
        largest[0] = 0xfe;
        assert_eq!(long(&largest), Ok(i64::MAX));
    }

    #[test]
    fn numbers_beyond_their_limits_are_refused() {
        assert_eq!(long(&[]), Err(DecodeCode::Truncated));
        assert_eq!(long(&[0x80; 5]), Err(DecodeCode::Truncated));
        assert_eq!(long(&[0xff; 11]), Err(DecodeCode::Malformed));
        let mut too_large = [0xff; 10];
        too_large[9] = 0x02;
        assert_eq!(long(&too_large), Err(DecodeCode::Malformed));
        assert_eq!(
            AvroCursor::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).int(),
            Err(DecodeCode::OutOfRange)
        );
    }

    #[test]
    fn wrong_lengths_are_refused_before_memory_is_taken() {
        // A negative length, one past the end, and one near the largest number.
        assert_eq!(AvroCursor::new(&[0x01]).bytes(), Err(DecodeCode::Malformed));
        assert_eq!(AvroCursor::new(&[0x04, 0x00]).bytes(), Err(DecodeCode::Truncated));
        let mut huge = [0xff; 10];
        (huge[0], huge[9]) = (0xfe, 0x01);
        assert_eq!(AvroCursor::new(&huge).bytes(), Err(DecodeCode::Truncated));
        assert_eq!(AvroCursor::new(&huge).block(2), Err(DecodeCode::Truncated));
        // A block count that has no positive counterpart.
        assert_eq!(AvroCursor::new(&[0xff; 9]).block(2), Err(DecodeCode::Truncated));
        let mut lowest = [0xff; 10];
        lowest[9] = 0x01;
        assert_eq!(AvroCursor::new(&lowest).block(2), Err(DecodeCode::Malformed));
    }

    #[test]
    fn text_must_be_unicode_and_truth_must_be_0_or_1() {
        assert_eq!(AvroCursor::new(&[0x02, 0xff]).text(), Err(DecodeCode::InvalidText));
        assert_eq!(AvroCursor::new(&[0x02]).boolean(), Err(DecodeCode::Malformed));
        assert_eq!(AvroCursor::new(&[]).boolean(), Err(DecodeCode::Truncated));
    }
}
