//! How records lie in a blob: one batch of one partition, compact, with a check sum.
//!
//! Layout of version 1: a head of version (1 byte), count of records (4 bytes, little endian) and
//! time of the first record (8 bytes, little endian, ms since 1970); then per record, numbers as
//! LEB128: time as zigzag difference to the first; key, payload (0 for null, else length + 1, then
//! the bytes); count of headers; per header name and value (length, bytes). Offsets are not in it: they ascend by one
//! from the batch's own. The CRC-32 covers the blob and the place it belongs to (partition id and
//! first offset), so that a blob that lies elsewhere is found out too.
//!
//! Decoding never panics and never takes more memory than the blob has bytes, whatever the bytes.

use bytes::{Buf, BufMut, Bytes};
use compact_str::CompactString;

use super::limits::{MAX_CHUNK_BYTES, MAX_CHUNK_RECORDS, MAX_HEADERS};
use crate::log::{LogRecord, NewRecord};
use crate::model::position::Offset;

/// The version written, and the only one read.
const VERSION: u8 = 1;
/// Bytes of version, count and time.
const HEAD_BYTES: usize = 13;
/// No record takes fewer bytes: time, key, payload, headers.
const LEAST_RECORD_BYTES: usize = 4;

/// Why a blob cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BatchError {
    /// The check sum differs: bytes have changed, or belong elsewhere.
    #[error("CRC_MISMATCH")]
    Crc,
    /// A later keepstep wrote it.
    #[error("UNKNOWN_BATCH_VERSION")]
    Version,
    /// The check sum is right and the bytes make no sense.
    #[error("MALFORMED_BATCH")]
    Malformed,
}

/// A batch in the making.
#[derive(Debug)]
pub(super) struct BatchBuilder {
    /// The head, not filled in yet, and the records.
    blob: Vec<u8>,
    count: u32,
    first_ms: i64,
    newest_ms: i64,
}

/// A batch ready to be stored anywhere.
#[derive(Debug)]
pub(super) struct EncodedBatch {
    pub(super) blob: Vec<u8>,
    pub(super) count: u32,
    /// The latest time of a record.
    pub(super) newest_ms: i64,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self { blob: vec![0; HEAD_BYTES], count: 0, first_ms: 0, newest_ms: 0 }
    }
}

impl BatchBuilder {
    /// Whether a record should go to a batch of its own. A batch holds what a feed hands out at
    /// once.
    pub(super) fn is_full_for(&self, record: &NewRecord) -> bool {
        let bytes = self.blob.len() + record.size_bytes();
        self.count > 0 && (self.count as usize >= MAX_CHUNK_RECORDS || bytes > MAX_CHUNK_BYTES)
    }

    /// Adds a record.
    pub(super) fn push(&mut self, record: &NewRecord, timestamp_ms: i64) {
        if self.count == 0 {
            self.first_ms = timestamp_ms;
            self.newest_ms = timestamp_ms;
        }
        self.count += 1;
        self.newest_ms = self.newest_ms.max(timestamp_ms);
        let to = &mut self.blob;
        put_number(to, zigzag(timestamp_ms.wrapping_sub(self.first_ms)));
        put_nullable(to, record.key.as_deref());
        put_nullable(to, record.payload.as_deref());
        put_number(to, record.headers.len() as u64);
        for (name, value) in &record.headers {
            put_bytes(to, name.as_bytes());
            put_bytes(to, value);
        }
    }

    /// The batch.
    pub(super) fn finish(mut self) -> EncodedBatch {
        let mut head = &mut self.blob[..HEAD_BYTES];
        head.put_u8(VERSION);
        head.put_u32_le(self.count);
        head.put_i64_le(self.first_ms);
        EncodedBatch { blob: self.blob, count: self.count, newest_ms: self.newest_ms }
    }
}

/// The check sum of a blob in its place.
pub(super) fn check_sum(blob: &[u8], partition_id: i64, first_offset: i64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(blob);
    hasher.update(&partition_id.to_le_bytes());
    hasher.update(&first_offset.to_le_bytes());
    hasher.finalize()
}

/// The records of a stored blob, if it is what was stored in that place.
pub(super) fn open_batch(
    blob: &[u8],
    stored_sum: u32,
    partition_id: i64,
    first_offset: i64,
) -> Result<Vec<LogRecord>, BatchError> {
    if check_sum(blob, partition_id, first_offset) != stored_sum {
        return Err(BatchError::Crc);
    }
    decode(Bytes::copy_from_slice(blob), first_offset)
}

/// The records of a blob, whose first has this offset. They share the blob's memory.
fn decode(mut blob: Bytes, first_offset: i64) -> Result<Vec<LogRecord>, BatchError> {
    let version = blob.try_get_u8().map_err(|_| BatchError::Malformed)?;
    if version != VERSION {
        return Err(BatchError::Version);
    }
    let count = blob.try_get_u32_le().map_err(|_| BatchError::Malformed)? as usize;
    let first_ms = blob.try_get_i64_le().map_err(|_| BatchError::Malformed)?;
    if count > blob.len() / LEAST_RECORD_BYTES {
        return Err(BatchError::Malformed);
    }
    let mut records = Vec::with_capacity(count);
    for offset in (first_offset..).take(count) {
        let timestamp_ms = first_ms.wrapping_add(unzigzag(take_number(&mut blob)?));
        let key = take_nullable(&mut blob)?;
        let payload = take_nullable(&mut blob)?;
        let headers = take_headers(&mut blob)?;
        records.push(LogRecord { offset: Offset(offset), timestamp_ms, key, payload, headers });
    }
    if blob.is_empty() { Ok(records) } else { Err(BatchError::Malformed) }
}

fn take_headers(from: &mut Bytes) -> Result<Vec<(CompactString, Bytes)>, BatchError> {
    let count = take_length(from)?;
    if count > MAX_HEADERS {
        return Err(BatchError::Malformed);
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let name = take_bytes(from)?;
        let name = CompactString::from_utf8(name).map_err(|_| BatchError::Malformed)?;
        headers.push((name, take_bytes(from)?));
    }
    Ok(headers)
}

fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

fn take_number(from: &mut Bytes) -> Result<u64, BatchError> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = from.try_get_u8().map_err(|_| BatchError::Malformed)?;
        let bits = u64::from(byte & 0x7f);
        if bits != 0 && bits.leading_zeros() < shift {
            return Err(BatchError::Malformed);
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(BatchError::Malformed)
}

/// A number that counts things in memory.
fn take_length(from: &mut Bytes) -> Result<usize, BatchError> {
    usize::try_from(take_number(from)?).map_err(|_| BatchError::Malformed)
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_number(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn take_bytes(from: &mut Bytes) -> Result<Bytes, BatchError> {
    let length = take_length(from)?;
    split(from, length)
}

fn put_nullable(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_number(to, bytes.map_or(0, |bytes| bytes.len() as u64 + 1));
    to.extend_from_slice(bytes.unwrap_or_default());
}

fn take_nullable(from: &mut Bytes) -> Result<Option<Bytes>, BatchError> {
    match take_length(from)?.checked_sub(1) {
        None => Ok(None),
        Some(length) => split(from, length).map(Some),
    }
}

fn split(from: &mut Bytes, length: usize) -> Result<Bytes, BatchError> {
    if length > from.len() {
        return Err(BatchError::Malformed);
    }
    Ok(from.split_to(length))
}

#[cfg(test)]
#[path = "record_batch_test.rs"]
mod tests;
