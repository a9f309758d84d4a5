//! From librdkafka's records to ours: one arena of bytes per chunk, in which the records are slices.
//!
//! Copying is what frees librdkafka's memory: an uncompressed record keeps the whole answer of its
//! fetch alive. One copy and no allocation per record (headers apart).

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use compact_str::CompactString;
use rdkafka::message::{Headers, Message};

use crate::log::{Chunk, LogRecord};
use crate::model::position::Offset;

/// The most records in a chunk.
const RECORDS: usize = 512;
/// The most bytes in a chunk, or one record.
const BYTES: usize = 256 * 1024;

/// Collects one chunk after the other.
pub(super) struct ChunkBuilder {
    limit_bytes: usize,
    /// Size of the last arena: chunks of one partition are alike.
    last_arena: usize,
    arena: Vec<u8>,
    /// Bytes of the records as [`LogRecord::size_bytes`] counts them: the arena and header names.
    bytes: usize,
    records: Vec<Outline>,
}

/// A record whose bytes lie in the arena.
struct Outline {
    /// Where its bytes begin.
    start: usize,
    offset: Offset,
    timestamp_ms: i64,
    key: Option<Range<usize>>,
    payload: Option<Range<usize>>,
    headers: Vec<(CompactString, Range<usize>)>,
}

impl Outline {
    /// Its record, given the arena from `base` on.
    fn fill(self, arena: &Bytes, base: usize) -> LogRecord {
        let slice = |range: Range<usize>| arena.slice(range.start - base..range.end - base);
        LogRecord {
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(slice),
            payload: self.payload.map(slice),
            headers: self.headers.into_iter().map(|(name, value)| (name, slice(value))).collect(),
        }
    }
}

impl ChunkBuilder {
    /// Chunks of at most `limit_bytes` (or one record).
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes: limit_bytes.min(BYTES),
            last_arena: 0,
            arena: Vec::new(),
            bytes: 0,
            records: Vec::new(),
        }
    }

    /// Whether no more records should be asked for.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS || self.bytes >= self.limit_bytes
    }

    /// Bytes of the records so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies a record into the arena.
    pub(super) fn push<H: Headers>(&mut self, record: &impl Message<Headers = H>) {
        if self.records.is_empty() {
            self.arena.reserve(self.last_arena);
        }
        let before = self.arena.len();
        let key = record.key().map(|bytes| self.copy(bytes));
        let payload = record.payload().map(|bytes| self.copy(bytes));
        let headers = record.headers().map_or_else(Vec::new, |headers| {
            let borrowed = read_headers(headers);
            borrowed.into_iter().map(|(name, value)| (name, self.copy(value))).collect()
        });
        let names: usize = headers.iter().map(|(name, _)| name.len()).sum();
        self.bytes += self.arena.len() - before + names;
        self.records.push(Outline {
            start: before,
            offset: Offset(record.offset()),
            timestamp_ms: record.timestamp().to_millis().unwrap_or(0),
            key,
            payload,
            headers,
        });
    }

    /// Takes the last record out again if it was one too many, for the next chunk.
    pub(super) fn overflow(&mut self) -> Option<LogRecord> {
        if self.records.len() < 2 || self.bytes <= self.limit_bytes {
            return None;
        }
        let last = self.records.pop()?;
        let base = last.start;
        let record = last.fill(&Bytes::from(self.arena.split_off(base)), base);
        self.bytes -= record.size_bytes();
        Some(record)
    }

    /// The chunk so far; `None` if empty.
    pub(super) fn take(&mut self) -> Option<Chunk> {
        let mut arena = std::mem::take(&mut self.arena);
        self.bytes = 0;
        if self.records.is_empty() {
            return None;
        }
        self.last_arena = arena.len();
        if arena.capacity() / 2 > arena.len() {
            arena.shrink_to_fit();
        }
        let arena = Bytes::from(arena);
        let records = self.records.drain(..).map(|outline| outline.fill(&arena, 0)).collect();
        Some(Chunk { records })
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        start..self.arena.len()
    }
}

/// One record on its own.
pub(super) fn single<H: Headers>(record: &impl Message<Headers = H>) -> Option<LogRecord> {
    let mut builder = ChunkBuilder::new(BYTES);
    builder.push(record);
    builder.take().and_then(|mut chunk| chunk.records.pop())
}

/// The headers in order. A name that is no UTF-8 (only a broken producer writes one) makes rdkafka
/// panic; such a record keeps the headers before it, for the record must not stop its partition.
fn read_headers<H: Headers>(headers: &H) -> Vec<(CompactString, &[u8])> {
    let mut all = Vec::with_capacity(headers.count());
    for index in 0..headers.count() {
        let header = catch_unwind(AssertUnwindSafe(|| headers.try_get(index)));
        let Ok(Some(header)) = header else { break };
        all.push((CompactString::new(header.key), header.value.unwrap_or_default()));
    }
    all
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    use super::*;

    fn message(offset: i64, key: Option<&str>, payload: Option<&[u8]>) -> OwnedMessage {
        OwnedMessage::new(
            payload.map(<[u8]>::to_vec),
            key.map(|key| key.as_bytes().to_vec()),
            "topic".to_owned(),
            Timestamp::CreateTime(1_000 + offset),
            0,
            offset,
            None,
        )
    }

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut builder = ChunkBuilder::new(BYTES);
        builder.push(&message(5, Some("k"), Some(b"payload")));
        builder.push(&message(7, None, None));
        builder.push(&message(8, Some(""), Some(b"")));
        let header = |key, value| Header { key, value };
        let headers = OwnedHeaders::new()
            .insert(header("a", Some("1")))
            .insert(header("a", Some("2")))
            .insert(header("none", None));
        let time = Timestamp::NotAvailable;
        let topic = "topic".to_owned();
        builder.push(&OwnedMessage::new(None, None, topic, time, 0, 9, Some(headers)));
        let records = builder.take().unwrap().records;
        assert_eq!(records.iter().map(|it| it.offset.0).collect::<Vec<_>>(), [5, 7, 8, 9]);
        assert_eq!(records[0].timestamp_ms, 1_005);
        assert_eq!(records[0].key.as_deref(), Some(b"k".as_slice()));
        assert_eq!(records[0].payload.as_deref(), Some(b"payload".as_slice()));
        assert_eq!((&records[1].key, &records[1].payload), (&None, &None));
        assert_eq!(records[2].payload.as_deref(), Some(b"".as_slice()));
        let named = |name: &str, value: &'static [u8]| (name.into(), Bytes::from_static(value));
        assert_eq!(records[3].headers, [named("a", b"1"), named("a", b"2"), named("none", b"")]);
        assert!(builder.take().is_none());
    }

    #[test]
    fn the_record_over_the_limit_moves_to_the_next_chunk() {
        let mut builder = ChunkBuilder::new(100);
        builder.push(&message(0, None, Some(&[1; 60])));
        assert!(builder.overflow().is_none() && !builder.is_full());
        builder.push(&message(1, Some("key"), Some(&[2; 50])));
        let moved = builder.overflow().unwrap();
        assert_eq!((moved.offset, moved.size_bytes()), (Offset(1), 53));
        assert_eq!(moved.payload.unwrap(), [2; 50].as_slice());
        assert_eq!(builder.bytes(), 60);
        let records = builder.take().unwrap().records;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].payload.as_deref(), Some([1; 60].as_slice()));
    }

    #[test]
    fn a_record_larger_than_the_limit_is_a_chunk_of_its_own() {
        let mut builder = ChunkBuilder::new(100);
        builder.push(&message(0, None, Some(&[1; 1_000])));
        assert!(builder.is_full() && builder.overflow().is_none());
        assert_eq!(builder.take().unwrap().records[0].size_bytes(), 1_000);
    }

    #[test]
    fn a_chunk_has_512_records_at_most() {
        let mut builder = ChunkBuilder::new(BYTES);
        for offset in 0..512 {
            assert!(!builder.is_full());
            builder.push(&message(offset, None, None));
        }
        assert!(builder.is_full());
    }

    #[test]
    fn what_is_kept_of_a_chunk_is_not_much_larger_than_its_records() {
        let mut builder = ChunkBuilder::new(BYTES);
        for offset in 0..500 {
            builder.push(&message(offset, None, Some(&[0; 400])));
        }
        builder.take().unwrap();
        builder.push(&message(500, None, Some(&[0; 400])));
        let held = builder.arena.capacity();
        assert!(held > 100_000, "the next arena is made for a chunk like the last: {held}");
        builder.take().unwrap();
        builder.push(&message(501, None, Some(&[0; 400])));
        assert!(builder.arena.capacity() < 1_000, "and shrinks with them");
    }

    struct Broken;

    impl Headers for Broken {
        fn count(&self) -> usize {
            3
        }

        fn try_get(&self, index: usize) -> Option<Header<'_, &[u8]>> {
            assert!(index != 1, "a name that is no UTF-8");
            Some(Header { key: "name", value: Some(b"value") })
        }
    }

    #[test]
    fn a_header_name_that_is_no_text_does_not_stop_the_partition() {
        let headers = read_headers(&Broken);
        assert_eq!(headers, [(CompactString::new("name"), b"value".as_slice())]);
    }
}
