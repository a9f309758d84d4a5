//! Holds made of net changes: which changes they are, what they bring into being, how new they are.
//! Pure.

use crate::model::change::Version;
use crate::model::held::{HeldCause, HeldKey, Hold};
use crate::model::net_change::{NetChange, UNVERSIONED};
use crate::model::position::Offset;
use crate::model::record::{EntityName, RecordId};

/// Whether a held change is one of those that a net change is made of.
pub(super) fn is_own(net: &NetChange, held: &HeldKey) -> bool {
    net.offsets().any(|offset| offset == held.offset)
}

/// The version at which a net change replaces the whole record; `None` for patches.
pub(super) fn superseding_version(net: &NetChange) -> Option<Version> {
    let image = net.image.as_ref().map(|image| image.guard);
    image.max(net.delete)
}

/// Every change of a net change, to wait behind what is held.
pub(super) fn waits<'a>(
    net: &'a NetChange,
    entity: &'a EntityName,
) -> impl Iterator<Item = Hold> + 'a {
    net.offsets().map(move |offset| Hold {
        key: key_of(offset, entity, net.record_id),
        version: highest_version(net),
        creates: creates(net),
        cause: HeldCause::waits(),
        attempt: 0,
    })
}

/// The name of a change whose entity and record are known.
pub(super) fn key_of(offset: Offset, entity: &EntityName, record_id: RecordId) -> HeldKey {
    HeldKey { offset, entity: Some(entity.clone()), record_id: Some(record_id) }
}

/// Whether a net change may bring its record into being.
pub(super) fn creates(net: &NetChange) -> bool {
    net.image.as_ref().is_some_and(|image| image.create)
}

/// The highest version of a net change; `None` for entities without versions.
pub(super) fn highest_version(net: &NetChange) -> Option<Version> {
    let image = net.image.as_ref().map(|image| image.version);
    let patch = net.patch.as_ref().map(|patch| patch.version);
    let highest = image.max(patch).max(net.delete);
    highest.filter(|version| *version != UNVERSIONED)
}
