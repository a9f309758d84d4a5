//! What each message means, once its envelope is read.

use compact_str::{CompactString, format_compact};

use super::context::Context;
use super::entity::{Body, body};
use super::link::{link_operation, links};
use super::parameter::{Reference, Target};
use crate::codec::entity_names::EntityNames;
use crate::codec::error::{DecodeCode, DecodeError, Name};
use crate::codec::json::cursor::JsonCursor;
use crate::codec::limit::checked_name;
use crate::codec::settings::DecoderSettings;
use crate::model::change::{Change, Image, Notification, Operation};
use crate::model::record::RecordId;
use crate::model::value::Value;

/// A status reason that means "the default of that state".
const DEFAULT_STATUS: i32 = -1;

impl<'a> Context<'a> {
    /// The changes that the message made.
    pub(super) fn notification(
        mut self,
        cursor: &mut JsonCursor<'a>,
        settings: &DecoderSettings,
        names: &mut EntityNames,
    ) -> Result<Notification, DecodeError> {
        let message = self.message.take().ok_or_else(|| missing("MessageName"))?;
        if let Some(operation) = link_operation(&message) {
            return self.links(operation, cursor, settings);
        }
        let change = match &*message {
            "Create" => self.write(Operation::Create, Image::Full, cursor, names),
            "Update" => self.write(Operation::Update, Image::Patch, cursor, names),
            "Delete" => self.delete(cursor, names),
            "SetState" | "SetStateDynamicEntity" => self.set_state(cursor, names),
            "Assign" => self.assign(cursor, names),
            other => {
                return Err(DecodeError::new(
                    DecodeCode::UnknownMessage,
                    format_args!(
                        "message {}: register the step on Create, Update, Delete, Associate or \
                         Disassociate only",
                        Name(other)
                    ),
                ));
            }
        };
        change.map(Notification::Change)
    }

    /// A create or update: the post image if there is one, else the target; and what is left if the
    /// source took both away.
    fn write(
        mut self,
        operation: Operation,
        image: Image,
        cursor: &mut JsonCursor<'a>,
        names: &mut EntityNames,
    ) -> Result<Change, DecodeError> {
        if let Some(post_image) = self.post_image.take() {
            return self.change(operation, Image::Full, post_image, names);
        }
        match self.target(cursor)? {
            Some(target) if target.attributes.is_some() => {
                self.change(operation, image, target, names)
            }
            Some(_) => Err(DecodeError::new(
                DecodeCode::WrongType,
                format_args!("the target has no Attributes"),
            )),
            None if self.parameters.any => Err(missing("Target of InputParameters")),
            None => self.stripped(operation, image, names),
        }
    }

    fn delete(
        mut self,
        cursor: &mut JsonCursor<'a>,
        names: &mut EntityNames,
    ) -> Result<Change, DecodeError> {
        let target = self.target(cursor)?.unwrap_or_default();
        let version = self.pre_image_version.or(target.version);
        let target = Body { version, attributes: None, ..target };
        self.change(Operation::Delete, Image::Full, target, names)
    }

    /// The older message for a change of state. Newer ones come as updates.
    fn set_state(
        mut self,
        cursor: &mut JsonCursor<'a>,
        names: &mut EntityNames,
    ) -> Result<Change, DecodeError> {
        if self.post_image.is_some() || !self.parameters.any {
            return self.write(Operation::Update, Image::Patch, cursor, names);
        }
        let moniker =
            self.parameters.moniker.take().ok_or_else(|| missing("parameter EntityMoniker"))?;
        let state = self.parameters.state.take().ok_or_else(|| missing("parameter State"))?;
        let status = self.parameters.status.take().ok_or_else(|| missing("parameter Status"))?;
        if status == Value::Choice(DEFAULT_STATUS) {
            return Err(DecodeError::new(
                DecodeCode::OutOfRange,
                format_args!(
                    "parameter Status leaves the status reason to the source: register a post image"
                ),
            ));
        }
        let attributes = vec![
            (CompactString::const_new("statecode"), state),
            (CompactString::const_new("statuscode"), status),
        ];
        self.change(Operation::Update, Image::Patch, of_reference(moniker, attributes), names)
    }

    /// The older message for a change of owner.
    fn assign(
        mut self,
        cursor: &mut JsonCursor<'a>,
        names: &mut EntityNames,
    ) -> Result<Change, DecodeError> {
        if self.post_image.is_some() || !self.parameters.any {
            return self.write(Operation::Update, Image::Patch, cursor, names);
        }
        let target = self.target(cursor)?.ok_or_else(|| missing("Target of InputParameters"))?;
        let assignee =
            self.parameters.assignee.take().ok_or_else(|| missing("parameter Assignee"))?;
        let attributes = vec![(CompactString::const_new("ownerid"), assignee)];
        let target = Body { attributes: Some(attributes), ..target };
        self.change(Operation::Update, Image::Patch, target, names)
    }

    fn links(
        mut self,
        operation: Operation,
        cursor: &mut JsonCursor<'a>,
        settings: &DecoderSettings,
    ) -> Result<Notification, DecodeError> {
        if !self.parameters.any {
            return Err(DecodeError::new(
                DecodeCode::Stripped,
                format_args!("links without InputParameters: which links they were is lost"),
            ));
        }
        let name = self.parameters.relationship.take();
        let name = name.ok_or_else(|| missing("parameter Relationship"))?;
        let Some(relationship) = settings.relationships.get(&name.schema_name) else {
            let relationship = CompactString::from(name.schema_name);
            return Ok(Notification::OtherLinks { relationship });
        };
        let target = self.target(cursor)?.ok_or_else(|| missing("Target of InputParameters"))?;
        let (Some(id), Some(entity)) = (target.id, target.logical_name) else {
            return Err(missing("id and entity of the target"));
        };
        let target = Reference { id, entity };
        let related = self.parameters.related.take();
        let related = related.ok_or_else(|| missing("parameter RelatedEntities"))?;
        let mut changes: Vec<Change> = links(relationship, &name, &target, &related)?
            .into_iter()
            .map(|(record_id, attributes)| Change {
                organization_id: self.organization_id,
                entity: relationship.entity.clone(),
                record_id,
                operation,
                image: Image::Full,
                version: None,
                changed_at: self.created_on,
                attributes,
                correlation_id: self.correlation_id,
                payload_reference: None,
            })
            .collect();
        if changes.len() == 1
            && let Some(change) = changes.pop()
        {
            return Ok(Notification::Change(change));
        }
        Ok(Notification::Changes(changes))
    }

    /// The target, read now if it was deferred.
    fn target(&mut self, cursor: &mut JsonCursor<'a>) -> Result<Option<Body<'a>>, DecodeError> {
        match std::mem::take(&mut self.parameters.target) {
            Target::None => Ok(None),
            Target::Body(body) => Ok(Some(body)),
            Target::Deferred(mark) => {
                cursor.rewind(mark);
                body(cursor).map(Some).map_err(|error| error.in_field("Target"))
            }
        }
    }

    fn stripped(
        self,
        operation: Operation,
        image: Image,
        names: &mut EntityNames,
    ) -> Result<Change, DecodeError> {
        let mut change = self.change(operation, image, Body::default(), names)?;
        let reference = format_compact!("dataverse:{}({})", change.entity, change.record_id);
        change.payload_reference = Some(reference);
        Ok(change)
    }

    fn change(
        &self,
        operation: Operation,
        image: Image,
        body: Body<'a>,
        names: &mut EntityNames,
    ) -> Result<Change, DecodeError> {
        let entity = agreed(body.logical_name.as_deref(), self.entity.as_deref(), "entity")?;
        let entity = entity.ok_or_else(|| missing("PrimaryEntityName"))?;
        checked_name(entity)?;
        let id = agreed(body.id, self.id, "record id")?;
        let id =
            agreed(id, self.output_id.filter(|_| operation == Operation::Create), "record id")?;
        Ok(Change {
            organization_id: self.organization_id,
            entity: names.get(entity),
            record_id: RecordId(id.ok_or_else(|| missing("PrimaryEntityId"))?),
            operation,
            image,
            version: body.version,
            changed_at: self.created_on,
            attributes: body.attributes.unwrap_or_default(),
            correlation_id: self.correlation_id,
            payload_reference: None,
        })
    }
}

fn missing(name: &str) -> DecodeError {
    DecodeError::new(DecodeCode::Missing, format_args!("{name}"))
}

/// The one that is there; both must agree.
fn agreed<T: PartialEq>(
    inner: Option<T>,
    outer: Option<T>,
    what: &str,
) -> Result<Option<T>, DecodeError> {
    match (inner, outer) {
        (Some(inner), Some(outer)) if inner != outer => Err(DecodeError::new(
            DecodeCode::Contradiction,
            format_args!("the {what} of the envelope is not the one of its content"),
        )),
        (inner, outer) => Ok(inner.or(outer)),
    }
}

fn of_reference<'a>(reference: Reference<'a>, attributes: Vec<(CompactString, Value)>) -> Body<'a> {
    Body {
        logical_name: Some(reference.entity),
        id: Some(reference.id),
        version: None,
        attributes: Some(attributes),
    }
}
