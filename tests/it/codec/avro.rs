//! Our reader and writer of Avro against the general library.

use keepstep::codec::contract::{self, Contract};
use keepstep::codec::{DecodeCode, encode_change, encode_marker};
use keepstep::model::change::Notification;
use keepstep::model::value::Value;
use proptest::prelude::*;

use super::{decode, reference, strategy};

/// Bytes of the framing in front of bare Avro.
const FRAMING: usize = 10;

fn framed(contract: Contract, bare: &[u8]) -> Vec<u8> {
    [&contract::SINGLE_OBJECT[..], &contract.fingerprint(), bare].concat()
}

/// The same up to the bits of a float that is no number.
fn assert_same(ours: Notification, theirs: Notification) -> Result<(), TestCaseError> {
    prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    Ok(())
}

proptest! {
    #[test]
    fn the_general_library_reads_what_we_write(change in strategy::change()) {
        let bytes = encode_change(&change);
        let schema = reference::schema("change_notification");
        let theirs = reference::read(&schema, &bytes[FRAMING..]).unwrap();
        prop_assert_eq!(reference::to_change(theirs), change.clone());
        prop_assert_eq!(decode(&bytes).unwrap(), Notification::Change(change));
    }

    #[test]
    fn we_read_what_the_general_library_writes(change in strategy::change()) {
        let schema = reference::schema("change_notification");
        let bare = reference::write(&schema, reference::of_change(&change));
        let ours = decode(&framed(Contract::ChangeNotification, &bare)).unwrap();
        prop_assert_eq!(ours, Notification::Change(change));
    }

    #[test]
    fn markers_likewise(marker in strategy::marker()) {
        let bytes = encode_marker(&marker);
        let schema = reference::schema("snapshot_marker");
        let theirs = reference::read(&schema, &bytes[FRAMING..]).unwrap();
        prop_assert_eq!(reference::to_marker(theirs), marker.clone());
        prop_assert_eq!(decode(&bytes).unwrap(), Notification::Marker(marker));
    }

    /// The general library is more lenient (it takes a text that is cut off for null), so this
    /// runs one way: what we accept, it accepts, with the same meaning.
    #[test]
    fn mutated_bytes_never_panic_and_never_mean_something_else(
        change in strategy::change(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bare = encode_change(&change).split_off(FRAMING);
        for (index, byte) in mutations {
            let at = index.index(bare.len());
            bare[at] = byte;
        }
        if let Some(cut) = cut {
            bare.truncate(cut.index(bare.len()));
        }
        if let Ok(ours) = decode(&framed(Contract::ChangeNotification, &bare)) {
            let schema = reference::schema("change_notification");
            let theirs = reference::read(&schema, &bare).unwrap();
            assert_same(ours, Notification::Change(reference::to_change(theirs)))?;
        }
    }

    #[test]
    fn any_bytes_at_all_never_panic(bare in prop::collection::vec(any::<u8>(), 0..200)) {
        // Whether it is understood is of no interest here.
        let _ = decode(&bare);
        for contract in Contract::ALL {
            let _ = decode(&framed(contract, &bare));
        }
    }
}

#[test]
fn arrays_in_several_blocks_are_one_list() {
    // entity "a", id 0, create, full, five nulls; then the attributes of each case.
    let head = [&[2, b'a'][..], &[0; 16], &[0, 0, 0, 0, 0, 0, 0]].concat();
    let attribute = [2, b'x', 4, 6]; // "x": int 3
    let cases: [&[&[u8]]; 3] = [
        &[&[4], &attribute, &attribute, &[0]],
        &[&[2], &attribute, &[2], &attribute, &[0]],
        // A negative count, with the size of the block in bytes.
        &[&[3, 16], &attribute, &attribute, &[0]],
    ];
    for case in cases {
        let bare = [head.clone(), case.concat()].concat();
        let notification = decode(&framed(Contract::ChangeNotification, &bare)).unwrap();
        let Notification::Change(change) = notification else { panic!("a change") };
        let expected = ("x".into(), Value::Integer(3));
        assert_eq!(change.attributes, [expected.clone(), expected]);
        let schema = reference::schema("change_notification");
        assert_eq!(reference::to_change(reference::read(&schema, &bare).unwrap()), change);
    }
}

#[test]
fn floats_that_are_no_numbers_arrive() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let head = [&[2, b'a'][..], &[0; 16], &[0, 0, 0, 0, 0, 0, 0]].concat();
        let bare = [&head[..], &[2, 2, b'x', 8], &number.to_le_bytes(), &[0]].concat();
        let notification = decode(&framed(Contract::ChangeNotification, &bare)).unwrap();
        let Notification::Change(change) = notification else { panic!("a change") };
        let [(_, Value::Double(ours))] = change.attributes[..] else { panic!("one float") };
        assert_eq!(ours.to_bits(), number.to_bits());
        assert_eq!(encode_change(&change)[FRAMING..], bare);
    }
}

#[test]
fn an_error_names_field_attribute_and_byte() {
    let head = [&[2, b'a'][..], &[0; 16], &[0, 0, 0, 0, 0, 0, 0]].concat();
    // Attribute "revenue" with a value of a member that the union lacks.
    let bare = [&head[..], &[2, 14], b"revenue", &[98, 0]].concat();
    let error = decode(&framed(Contract::ChangeNotification, &bare)).unwrap_err();
    assert_eq!(error.code, DecodeCode::Malformed);
    let at = FRAMING + bare.len() - 1;
    assert_eq!(
        error.to_string(),
        format!("malformed: field attributes, attribute `revenue`, at byte {at}")
    );
}
