//! Links of N:N relationships: one message can make or remove many.
//!
//! Either side may be the target. A link's id is made of both ids in the order in which the
//! relationship names its sides, so it does not matter from which side the link was made.

use super::parameter::{Reference, RelationshipName};
use crate::codec::error::{DecodeCode, DecodeError, Name};
use crate::codec::settings::Relationship;
use crate::model::change::Operation;
use crate::model::entity::Intersect;
use crate::model::record::{RecordId, link_id};
use crate::model::value::Value;

/// One link: its id, and the attributes that hold its two sides.
pub(super) type Link = (RecordId, Vec<(compact_str::CompactString, Value)>);

/// The links between the target and each related record.
pub(super) fn links(
    relationship: &Relationship,
    name: &RelationshipName<'_>,
    target: &Reference<'_>,
    related: &[Reference<'_>],
) -> Result<Vec<Link>, DecodeError> {
    let intersect = &relationship.intersect;
    related
        .iter()
        .map(|other| {
            let first_is_target = target_is_first(intersect, name, target, other)?;
            let (first, second) =
                if first_is_target { (target.id, other.id) } else { (other.id, target.id) };
            let (first, second) = (RecordId(first), RecordId(second));
            let attributes = vec![
                (intersect.first.attribute.clone(), Value::Guid(first)),
                (intersect.second.attribute.clone(), Value::Guid(second)),
            ];
            Ok((link_id(relationship.entity.as_str(), first, second), attributes))
        })
        .collect()
}

fn target_is_first(
    intersect: &Intersect,
    name: &RelationshipName<'_>,
    target: &Reference<'_>,
    other: &Reference<'_>,
) -> Result<bool, DecodeError> {
    let (first, second) = (intersect.first.entity.as_str(), intersect.second.entity.as_str());
    let sides = (&*target.entity, &*other.entity);
    if first == second && sides == (first, second) {
        // The referencing side is the first one.
        return name.target_role.map(|role| role == 0).ok_or_else(|| {
            DecodeError::new(
                DecodeCode::Missing,
                format_args!(
                    "PrimaryEntityRole of relationship {}, which relates an entity to itself",
                    Name(&name.schema_name)
                ),
            )
        });
    }
    if sides == (first, second) {
        Ok(true)
    } else if sides == (second, first) {
        Ok(false)
    } else {
        Err(DecodeError::new(
            DecodeCode::Contradiction,
            format_args!(
                "relationship {} does not relate entities {} and {}",
                Name(&name.schema_name),
                Name(sides.0),
                Name(sides.1)
            ),
        ))
    }
}

/// What a message makes of links; `None` if it is none of the two.
pub(super) fn link_operation(message: &str) -> Option<Operation> {
    match message {
        "Associate" => Some(Operation::Create),
        "Disassociate" => Some(Operation::Delete),
        _ => None,
    }
}
