//! Writes execution contexts as the captured ones look, for the demo, tests and `keepstep produce`.
//!
//! A change says less than a context (no user, no formatted values) and sometimes more (a snapshot
//! has no message). What cannot be said is an error, never left out.

use compact_str::CompactString;
use uuid::Uuid;

use super::encode_value::{CONTRACTS, automatic_image, body, escaped, reference};
use crate::codec::json::write::push;
use crate::model::change::{Change, Image, Operation};
use crate::model::entity::{EntityDefinition, Intersect};
use crate::model::record::RecordId;
use crate::model::value::Value;

/// What a context says beside the change: where it comes from.
#[derive(Clone, Debug)]
pub struct DataverseOrigin {
    /// Organisation, where the change does not name one.
    pub organization_id: Uuid,
    /// Unique name of the organisation.
    pub organization_name: CompactString,
    /// The user who made the change.
    pub user_id: Uuid,
    /// The user's business unit.
    pub business_unit_id: Uuid,
    /// Alias under which full images of updates are written.
    pub post_image_alias: Option<CompactString>,
}

/// Why a change cannot be said in this encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExpressible {
    /// There is no message for a record that was only read.
    #[error("a snapshot has no message: write it in keepstep's own encoding")]
    Snapshot,
    /// An update with a full image needs an image, and images need an alias.
    #[error("a full image of an update needs the alias of a post image")]
    NoAlias,
    /// A link without the ids of its two sides, or links that do not share their first side.
    #[error("links need the ids of both sides, and links in one message a common first side")]
    Sides,
    /// A float that JSON has no number for.
    #[error("attribute {0} is a float that is not finite")]
    NotFinite(CompactString),
    /// There is nothing to write.
    #[error("no change is no message")]
    Nothing,
}

/// A change as a `RemoteExecutionContext`.
///
/// # Errors
/// [`NotExpressible`] says what has no place in a context.
pub fn encode_dataverse(
    change: &Change,
    definition: &EntityDefinition,
    origin: &DataverseOrigin,
) -> Result<String, NotExpressible> {
    if definition.intersect.is_some() {
        return encode_dataverse_links(std::slice::from_ref(change), definition, origin);
    }
    let message = match change.operation {
        Operation::Create => "Create",
        Operation::Update => "Update",
        Operation::Delete => "Delete",
        Operation::Snapshot => return Err(NotExpressible::Snapshot),
    };
    let entity = change.entity.as_str();
    let stripped = change.payload_reference.is_some();
    let (mut input, mut output, mut images) = (String::new(), String::new(), String::new());
    if change.operation == Operation::Delete {
        if !stripped {
            input.push_str("{\"key\":\"Target\",\"value\":");
            reference(&mut input, change.record_id, entity);
            input.push('}');
        }
    } else {
        if !stripped {
            input.push_str("{\"key\":\"Target\",\"value\":");
            body(&mut input, change, definition, true)?;
            input.push('}');
            automatic_image(&mut images, change, definition);
        }
        if change.operation == Operation::Create {
            push(&mut output, format_args!(r#"{{"key":"id","value":"{}"}}"#, change.record_id));
        } else if change.image == Image::Full && !stripped {
            let alias = origin.post_image_alias.as_deref().ok_or(NotExpressible::NoAlias)?;
            images.push_str(",{\"key\":");
            escaped(&mut images, alias);
            images.push_str(",\"value\":");
            body(&mut images, change, definition, false)?;
            images.push('}');
        }
    }
    Ok(envelope(
        change,
        origin,
        &Parts { message, entity, record_id: change.record_id, input, output, images },
    ))
}

/// Links that share their first side as one `Associate` or `Disassociate`.
///
/// # Errors
/// [`NotExpressible`] if they share it not, or lack the ids of their sides.
pub fn encode_dataverse_links(
    links: &[Change],
    definition: &EntityDefinition,
    origin: &DataverseOrigin,
) -> Result<String, NotExpressible> {
    let link = links.first().ok_or(NotExpressible::Nothing)?;
    let intersect = definition.intersect.as_ref().ok_or(NotExpressible::Sides)?;
    let message = match link.operation {
        Operation::Create => "Associate",
        Operation::Delete => "Disassociate",
        Operation::Update | Operation::Snapshot => return Err(NotExpressible::Snapshot),
    };
    let (target, _) = sides(link, intersect)?;
    let mut input = String::from("{\"key\":\"Target\",\"value\":");
    reference(&mut input, target, intersect.first.entity.as_str());
    let to_itself = intersect.first.entity == intersect.second.entity;
    push(
        &mut input,
        format_args!(
            r#"}},{{"key":"Relationship","value":{{"__type":"Relationship:{CONTRACTS}","PrimaryEntityRole":{},"SchemaName":"#,
            if to_itself { "0" } else { "null" }
        ),
    );
    escaped(&mut input, &intersect.relationship);
    input.push_str("}},{\"key\":\"RelatedEntities\",\"value\":[");
    for (at, other) in links.iter().enumerate() {
        let (first, second) = sides(other, intersect)?;
        if first != target || other.operation != link.operation {
            return Err(NotExpressible::Sides);
        }
        if at > 0 {
            input.push(',');
        }
        reference(&mut input, second, intersect.second.entity.as_str());
    }
    input.push_str("]}");
    let parts = Parts {
        message,
        entity: "none",
        record_id: RecordId(Uuid::nil()),
        input,
        output: String::new(),
        images: String::new(),
    };
    Ok(envelope(link, origin, &parts))
}

fn sides(link: &Change, intersect: &Intersect) -> Result<(RecordId, RecordId), NotExpressible> {
    let side = |name: &str| {
        link.attributes.iter().find_map(|(attribute, value)| match value {
            Value::Guid(id) if attribute == name => Some(*id),
            _ => None,
        })
    };
    side(&intersect.first.attribute)
        .zip(side(&intersect.second.attribute))
        .ok_or(NotExpressible::Sides)
}

/// What differs between messages.
struct Parts<'a> {
    message: &'static str,
    entity: &'a str,
    record_id: RecordId,
    input: String,
    output: String,
    images: String,
}

fn envelope(change: &Change, origin: &DataverseOrigin, parts: &Parts<'_>) -> String {
    let mut out = String::with_capacity(1_600 + parts.input.len() + parts.images.len());
    let correlation_id = change.correlation_id.unwrap_or_default();
    let organization_id = change.organization_id.unwrap_or(origin.organization_id);
    let (user_id, unit_id) = (origin.user_id, origin.business_unit_id);
    push(
        &mut out,
        format_args!(
            r#"{{"BusinessUnitId":"{unit_id}","CorrelationId":"{correlation_id}","Depth":1,"InitiatingUserAzureActiveDirectoryObjectId":"00000000-0000-0000-0000-000000000000","InitiatingUserId":"{user_id}","InputParameters":[{}],"IsExecutingOffline":false,"IsInTransaction":false,"IsOfflinePlayback":false,"IsolationMode":1,"MessageName":"{}","Mode":1,"OperationCreatedOn":"#,
            parts.input, parts.message
        ),
    );
    match change.changed_at {
        Some(ticks) => push(&mut out, format_args!(r#""\/Date({}+0000)\/""#, ticks.to_unix_ms())),
        None => out.push_str("null"),
    }
    push(
        &mut out,
        format_args!(
            r#","OperationId":"{correlation_id}","OrganizationId":"{organization_id}","OrganizationName":"#
        ),
    );
    escaped(&mut out, &origin.organization_name);
    push(
        &mut out,
        format_args!(
            r#","OutputParameters":[{}],"OwningExtension":{{"Id":"{unit_id}","KeyAttributes":[],"LogicalName":"sdkmessageprocessingstep","Name":null,"RowVersion":null}},"ParentContext":null,"PostEntityImages":[{}],"PreEntityImages":[],"PrimaryEntityId":"{}","PrimaryEntityName":"#,
            parts.output, parts.images, parts.record_id
        ),
    );
    escaped(&mut out, parts.entity);
    push(
        &mut out,
        format_args!(
            r#","RequestId":"{correlation_id}","SecondaryEntityName":"none","SharedVariables":[{{"key":"IsAutoTransact","value":true}}],"Stage":40,"UserAzureActiveDirectoryObjectId":"00000000-0000-0000-0000-000000000000","UserId":"{user_id}"}}"#
        ),
    );
    out
}
