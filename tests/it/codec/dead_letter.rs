//! Our reader and writer of dead letters against the general library.

use apache_avro::types::Value as Avro;
use bytes::Bytes;
use compact_str::CompactString;
use keepstep::codec::contract::{FAILED_RECORD_FINGERPRINT, SINGLE_OBJECT};
use keepstep::codec::limit::{MAX_DEAD_LETTER_BYTES, MAX_NAME_BYTES};
use keepstep::codec::{DecodeCode, decode_dead_letter, encode_dead_letter};
use keepstep::model::dead_letter::{DeadLetter, HeldState, MAX_HEADERS, OriginalRecord};
use keepstep::model::held::{HeldCause, Revision};
use keepstep::model::position::{Offset, Topic, TopicPartition};
use keepstep::model::profile::ProfileId;
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Ticks;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::uuid;

use super::{reference, strategy};

/// Bytes of the framing in front of bare Avro.
const FRAMING: usize = 10;

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn original() -> impl Strategy<Value = OriginalRecord> {
    let header = (any::<String>().prop_map(CompactString::from), bytes(20));
    (option::of(bytes(60)), option::of(bytes(200)), vec(header, 0..5), any::<i64>()).prop_map(
        |(key, payload, headers, timestamp_ms)| OriginalRecord {
            key,
            payload,
            headers,
            timestamp_ms,
        },
    )
}

fn letter() -> impl Strategy<Value = DeadLetter> {
    let state = prop::sample::select(vec![HeldState::Held, HeldState::Released]);
    let cause = ("[a-z_]{1,20}", option::of(strategy::name()), ".{0,60}");
    let place = ("[a-zA-Z0-9._-]{1,60}", 0..=i32::MAX.unsigned_abs(), 0..=i64::MAX);
    (
        ("[a-z0-9-]{1,64}", option::of(strategy::name()), option::of(strategy::uuid())),
        (place, any::<i64>(), state, cause),
        (0..=i32::MAX.unsigned_abs(), strategy::ticks(), strategy::ticks()),
        option::of(original()),
    )
        .prop_map(|(about, (place, revision, state, cause), times, original)| {
            let topic_partition = TopicPartition::new(&Topic::new(&place.0), place.1);
            DeadLetter {
                profile: ProfileId::new(&about.0).unwrap(),
                position: topic_partition.at(Offset(place.2)),
                entity: about.1.map(|name| EntityName::new(&name)),
                record_id: about.2.map(RecordId),
                revision: Revision(revision),
                state,
                cause: HeldCause { code: cause.0.into(), column: cause.1, detail: cause.2 },
                attempt: times.0,
                held_at: times.1,
                revised_at: times.2,
                original,
            }
        })
}

/// The dead letter of `schemas/samples/v1/failed_record.avro`.
fn sample() -> DeadLetter {
    let record_id = uuid!("0f8fad5b-d9cb-469f-a165-70867728950e");
    let ticks = 638_501_616_001_234_567;
    DeadLetter {
        profile: ProfileId::new("warehouse").unwrap(),
        position: TopicPartition::new(&Topic::new("keepstep.contoso.account"), 3).at(Offset(4_711)),
        entity: Some(EntityName::new("account")),
        record_id: Some(RecordId(record_id)),
        revision: Revision(1_714_564_800_123_456),
        state: HeldState::Held,
        cause: HeldCause {
            code: "text_too_long".into(),
            column: Some("name".into()),
            detail: "text of 161 UTF-16 units is longer than the column's 160".to_owned(),
        },
        attempt: 2,
        held_at: Ticks::new(ticks).unwrap(),
        revised_at: Ticks::new(ticks + 1).unwrap(),
        original: Some(OriginalRecord {
            key: Some(Bytes::from(record_id.to_string())),
            payload: Some(Bytes::from_static(b"{}")),
            headers: vec![("content-type".into(), Bytes::from_static(b"application/json"))],
            timestamp_ms: 1_714_564_800_123,
        }),
    }
}

fn optional(value: Option<Avro>) -> Avro {
    match value {
        None => Avro::Union(0, Box::new(Avro::Null)),
        Some(value) => Avro::Union(1, Box::new(value)),
    }
}

fn text(content: &str) -> Avro {
    Avro::String(content.to_owned())
}

fn record(fields: Vec<(&str, Avro)>) -> Avro {
    Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A dead letter as the general library holds it.
fn of_letter(letter: &DeadLetter) -> Avro {
    let held = letter.state == HeldState::Held;
    let state = if held { (0, "held") } else { (1, "released") };
    let header = |(name, value): &(CompactString, Bytes)| {
        record(vec![("name", text(name)), ("value", Avro::Bytes(value.to_vec()))])
    };
    let blob = |bytes: &Option<Bytes>| optional(bytes.as_ref().map(|b| Avro::Bytes(b.to_vec())));
    let original = letter.original.as_ref().map(|original| {
        record(vec![
            ("key", blob(&original.key)),
            ("payload", blob(&original.payload)),
            ("headers", Avro::Array(original.headers.iter().map(header).collect())),
            ("timestamp_ms", Avro::Long(original.timestamp_ms)),
        ])
    });
    let detail = Some(&letter.cause.detail).filter(|detail| !detail.is_empty());
    record(vec![
        ("profile_id", text(letter.profile.as_str())),
        ("entity", optional(letter.entity.as_ref().map(|entity| text(entity.as_str())))),
        (
            "record_id",
            optional(letter.record_id.map(|id| Avro::Fixed(16, id.0.as_bytes().to_vec()))),
        ),
        ("topic", text(letter.position.topic.as_str())),
        ("partition", Avro::Int(letter.position.partition.0.try_into().unwrap())),
        ("offset", Avro::Long(letter.position.offset.0)),
        ("revision", Avro::Long(letter.revision.0)),
        ("state", Avro::Enum(state.0, state.1.to_owned())),
        ("cause", text(&letter.cause.code)),
        ("column", optional(letter.cause.column.as_ref().map(|column| text(column)))),
        ("detail", optional(detail.map(|detail| text(detail)))),
        ("attempt", Avro::Int(letter.attempt.try_into().unwrap())),
        ("held_at", Avro::Long(letter.held_at.get())),
        ("revised_at", Avro::Long(letter.revised_at.get())),
        ("original", optional(original)),
    ])
}

fn framed(bare: &[u8]) -> Bytes {
    Bytes::from([&SINGLE_OBJECT[..], &FAILED_RECORD_FINGERPRINT, bare].concat())
}

proptest! {
    #[test]
    fn the_general_library_agrees_both_ways(letter in letter()) {
        let ours = encode_dead_letter(&letter);
        let schema = reference::schema("failed_record");
        prop_assert_eq!(reference::read(&schema, &ours[FRAMING..]), Some(of_letter(&letter)));
        prop_assert_eq!(decode_dead_letter(&Bytes::from(ours)), Ok(letter.clone()));
        let theirs = framed(&reference::write(&schema, of_letter(&letter)));
        prop_assert_eq!(decode_dead_letter(&theirs), Ok(letter));
    }

    #[test]
    fn mutated_bytes_never_panic_and_never_mean_something_else(
        letter in letter(),
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        let mut bare = encode_dead_letter(&letter).split_off(FRAMING);
        for (index, byte) in mutations {
            let at = index.index(bare.len());
            bare[at] = byte;
        }
        if let Some(cut) = cut {
            bare.truncate(cut.index(bare.len()));
        }
        if let Ok(read) = decode_dead_letter(&framed(&bare)) {
            let schema = reference::schema("failed_record");
            let theirs = reference::read(&schema, &bare).unwrap();
            // An empty detail is read as none.
            let again = reference::read(&schema, &encode_dead_letter(&read)[FRAMING..]).unwrap();
            if !read.cause.detail.is_empty() {
                prop_assert_eq!(theirs, again);
            }
        }
    }

    #[test]
    fn any_bytes_at_all_never_panic(bare in vec(any::<u8>(), 0..200)) {
        // Whether it is understood is of no interest here.
        let _ = decode_dead_letter(&framed(&bare));
        let _ = decode_dead_letter(&Bytes::from(bare));
    }
}

#[test]
fn the_sample_of_version_1_is_read_and_written() {
    let path = format!("{}/schemas/samples/v1/failed_record.avro", env!("CARGO_MANIFEST_DIR"));
    let stored = Bytes::from(std::fs::read(path).unwrap());
    assert_eq!(decode_dead_letter(&stored), Ok(sample()));
    assert_eq!(encode_dead_letter(&sample()), stored);
    for length in 0..stored.len() {
        assert!(decode_dead_letter(&stored.slice(..length)).is_err(), "cut to {length} bytes");
    }
    let longer = Bytes::from([&stored[..], &[0]].concat());
    assert_eq!(decode_dead_letter(&longer).unwrap_err().code, DecodeCode::Trailing);
}

#[test]
fn what_is_beyond_a_limit_is_refused_and_named() {
    let refused = |letter: DeadLetter| {
        decode_dead_letter(&Bytes::from(encode_dead_letter(&letter))).unwrap_err()
    };
    let entity = Some(EntityName::new(&"e".repeat(MAX_NAME_BYTES + 1)));
    let error = refused(DeadLetter { entity, ..sample() });
    assert_eq!(
        (error.code, error.detail.split(',').next()),
        (DecodeCode::NameLength, Some("field entity"))
    );
    let mut many = sample();
    many.original.as_mut().unwrap().headers = vec![("h".into(), Bytes::new()); MAX_HEADERS + 1];
    assert_eq!(refused(many).code, DecodeCode::TooMany);
    let mut large = sample();
    large.original.as_mut().unwrap().payload = Some(vec![0; MAX_DEAD_LETTER_BYTES].into());
    assert_eq!(refused(large).code, DecodeCode::TooLarge);
    let notification = Bytes::from_static(b"{\"entity\":\"account\"}");
    assert_eq!(decode_dead_letter(&notification).unwrap_err().code, DecodeCode::UnknownSchema);
}

#[test]
fn an_error_quotes_no_content() {
    let mut letter = sample();
    letter.original.as_mut().unwrap().payload = Some(Bytes::from_static(b"CANARY"));
    let whole = Bytes::from(encode_dead_letter(&letter));
    for length in 0..whole.len() {
        let error = decode_dead_letter(&whole.slice(..length)).unwrap_err().to_string();
        assert!(!error.contains("CANARY"), "{error}");
    }
}
