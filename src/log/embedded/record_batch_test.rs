//! Round trips, and bytes that are none of ours.

use super::*;
use proptest::prelude::*;

fn encode(records: &[(NewRecord, i64)]) -> EncodedBatch {
    let mut builder = BatchBuilder::default();
    for (record, ms) in records {
        builder.push(record, *ms);
    }
    builder.finish()
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn record() -> impl Strategy<Value = NewRecord> {
    let header = (".{0,20}".prop_map(CompactString::from), bytes());
    (prop::option::of(bytes()), prop::option::of(bytes()), prop::collection::vec(header, 0..4))
        .prop_map(|(key, payload, headers)| NewRecord {
            key,
            payload,
            headers,
            ..NewRecord::default()
        })
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        records in prop::collection::vec((record(), any::<i64>()), 1..20),
        first in 0..i64::MAX / 2,
    ) {
        let batch = encode(&records);
        prop_assert_eq!(batch.count as usize, records.len());
        prop_assert_eq!(batch.newest_ms, records.iter().map(|(_, ms)| *ms).max().unwrap());
        let decoded = decode(batch.blob.into(), first).unwrap();
        for ((given, ms), (found, offset)) in records.iter().zip(decoded.iter().zip(first..)) {
            prop_assert_eq!(found.offset, Offset(offset));
            prop_assert_eq!(found.timestamp_ms, *ms);
            prop_assert_eq!(&found.key, &given.key);
            prop_assert_eq!(&found.payload, &given.payload);
            prop_assert_eq!(&found.headers, &given.headers);
        }
    }

    /// Whatever the bytes: an answer, no panic.
    #[test]
    fn foreign_bytes_are_an_error(mut foreign in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(first) = foreign.first_mut() {
            *first = VERSION;
        }
        let _ = decode(foreign.into(), 0);
    }

    /// Cut anywhere, or with anything behind it, a blob is malformed.
    #[test]
    fn a_torn_batch_is_an_error(record in record(), cut in any::<prop::sample::Index>()) {
        let mut blob = encode(&[(record.clone(), 5), (record, 6)]).blob;
        let torn = blob[..cut.index(blob.len())].to_vec();
        prop_assert_eq!(decode(torn.into(), 0), Err(BatchError::Malformed));
        blob.push(0);
        prop_assert_eq!(decode(blob.into(), 0), Err(BatchError::Malformed));
    }

    #[test]
    fn one_changed_bit_or_another_place_changes_the_check_sum(
        record in record(),
        at in any::<prop::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let mut blob = encode(&[(record, 5)]).blob;
        let sum = check_sum(&blob, 3, 70);
        prop_assert_ne!(sum, check_sum(&blob, 4, 70));
        prop_assert_ne!(sum, check_sum(&blob, 3, 71));
        let index = at.index(blob.len());
        blob[index] ^= 1_u8 << bit;
        prop_assert_ne!(sum, check_sum(&blob, 3, 70));
    }
}

#[test]
fn a_later_version_is_named() {
    let mut blob = encode(&[(NewRecord::default(), 0)]).blob;
    blob[0] = VERSION + 1;
    assert_eq!(decode(blob.into(), 0), Err(BatchError::Version));
}

#[test]
fn a_count_that_the_bytes_cannot_hold_takes_no_memory() {
    let mut blob = vec![VERSION];
    blob.put_u32_le(u32::MAX);
    blob.extend_from_slice(&[0; 20]);
    assert_eq!(decode(blob.into(), 0), Err(BatchError::Malformed));
}

#[test]
fn numbers_at_their_ends() {
    for number in [0, 1, 0x7f, 0x80, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = Vec::new();
        put_number(&mut bytes, number);
        assert_eq!(take_number(&mut Bytes::from(bytes)), Ok(number));
    }
    let too_long = Bytes::from_static(&[0xff; 11]);
    assert_eq!(take_number(&mut too_long.clone()), Err(BatchError::Malformed));
    for number in [0, -1, 1, i64::MIN, i64::MAX] {
        assert_eq!(unzigzag(zigzag(number)), number);
    }
}

#[test]
fn a_batch_is_full_at_its_limits() {
    let mut builder = BatchBuilder::default();
    let large =
        NewRecord { payload: Some(vec![0; MAX_CHUNK_BYTES].into()), ..NewRecord::default() };
    assert!(!builder.is_full_for(&large), "one record always fits");
    for _ in 0..MAX_CHUNK_RECORDS {
        assert!(!builder.is_full_for(&NewRecord::default()));
        builder.push(&NewRecord::default(), 0);
    }
    assert!(builder.is_full_for(&NewRecord::default()));
    let mut builder = BatchBuilder::default();
    builder.push(&NewRecord::default(), 0);
    assert!(builder.is_full_for(&large));
}
