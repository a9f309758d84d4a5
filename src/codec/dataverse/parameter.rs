//! The input parameters of a message, as far as any message needs them.
//!
//! They come before the message's name (members are in alphabetical order), so they are read for
//! every message alike.

use crate::codec::json::text::Text;
use compact_str::CompactString;
use uuid::Uuid;

use super::entity::{Body, body, pairs};
use super::value::value;
use crate::codec::error::{DecodeCode, DecodeError};
use crate::codec::json::cursor::{JsonCursor, Kind, Mark};
use crate::codec::limit::{MAX_CHANGES, checked_name};
use crate::model::value::Value;

/// The target of a message.
#[derive(Debug, Default)]
pub(super) enum Target<'a> {
    /// There is none.
    #[default]
    None,
    /// Passed over for now: an image may take its place.
    Deferred(Mark),
    /// An entity or a reference.
    Body(Body<'a>),
}

/// A reference among the parameters.
#[derive(Debug)]
pub(super) struct Reference<'a> {
    /// The record.
    pub id: Uuid,
    /// Its entity.
    pub entity: Text<'a>,
}

/// The relationship of an associate message.
#[derive(Debug)]
pub(super) struct RelationshipName<'a> {
    /// Its schema name.
    pub schema_name: Text<'a>,
    /// The role of the target: 0 referencing, 1 referenced. Only set where an entity is related
    /// to itself.
    pub target_role: Option<u8>,
}

/// Input parameters.
#[derive(Debug, Default)]
pub(super) struct Parameters<'a> {
    /// Whether there are any; none are left of a notification that was too big.
    pub any: bool,
    /// `Target`.
    pub target: Target<'a>,
    /// `Relationship`.
    pub relationship: Option<RelationshipName<'a>>,
    /// `RelatedEntities`.
    pub related: Option<Vec<Reference<'a>>>,
    /// `EntityMoniker`, the target of the older message that sets a state.
    pub moniker: Option<Reference<'a>>,
    /// `State`.
    pub state: Option<Value>,
    /// `Status`.
    pub status: Option<Value>,
    /// `Assignee`.
    pub assignee: Option<Value>,
}

impl<'a> Parameters<'a> {
    /// Reads the parameters; the target is only passed over if `defer_target` says so.
    pub(super) fn read(
        &mut self,
        cursor: &mut JsonCursor<'a>,
        defer_target: bool,
    ) -> Result<(), DecodeError> {
        let any = pairs(cursor, |key, cursor| {
            self.parameter(&key, cursor, defer_target).map_err(|error| error.in_field(&key))
        })?;
        self.any = any;
        Ok(())
    }

    fn parameter(
        &mut self,
        key: &str,
        cursor: &mut JsonCursor<'a>,
        defer_target: bool,
    ) -> Result<(), DecodeError> {
        match key {
            "Target" if !matches!(self.target, Target::None) => {
                return Err(cursor.error(DecodeCode::Repeated, "the parameter stands twice"));
            }
            "Target" if cursor.kind()? != Kind::Object => cursor.skip()?,
            "Target" if defer_target => {
                self.target = Target::Deferred(cursor.mark());
                cursor.skip()?;
            }
            "Target" => self.target = Target::Body(body(cursor)?),
            "Relationship" => self.relationship = Some(relationship(cursor)?),
            "RelatedEntities" => self.related = Some(related(cursor)?),
            "EntityMoniker" => self.moniker = Some(reference(cursor)?),
            "State" => self.state = Some(value(cursor)?),
            "Status" => self.status = Some(value(cursor)?),
            "Assignee" => self.assignee = Some(value(cursor)?),
            _ => cursor.skip()?,
        }
        Ok(())
    }
}

/// An entity or a reference of which only the identity counts.
fn reference<'a>(cursor: &mut JsonCursor<'a>) -> Result<Reference<'a>, DecodeError> {
    let body = body(cursor)?;
    let (Some(id), Some(entity)) = (body.id, body.logical_name) else {
        return Err(cursor.error(DecodeCode::Missing, "id and entity of a reference"));
    };
    Ok(Reference { id, entity })
}

fn related<'a>(cursor: &mut JsonCursor<'a>) -> Result<Vec<Reference<'a>>, DecodeError> {
    let mut related = Vec::new();
    let mut elements = cursor.begin_array()?;
    while cursor.element(&mut elements)? {
        if related.len() == MAX_CHANGES {
            return Err(cursor.error(DecodeCode::TooMany, "more links than the limit"));
        }
        related.push(reference(cursor)?);
    }
    Ok(related)
}

fn relationship<'a>(cursor: &mut JsonCursor<'a>) -> Result<RelationshipName<'a>, DecodeError> {
    let (mut schema_name, mut target_role) = (None, None);
    let mut members = cursor.begin_object()?;
    while let Some(member) = cursor.member(&mut members)? {
        match &*member {
            "SchemaName" => {
                let name = cursor.text()?;
                checked_name(&name)?;
                schema_name = Some(name);
            }
            "PrimaryEntityRole" => target_role = role(cursor)?,
            _ => cursor.skip()?,
        }
    }
    let schema_name = schema_name
        .ok_or_else(|| cursor.error(DecodeCode::Missing, "the relationship's SchemaName"))?;
    Ok(RelationshipName { schema_name, target_role })
}

/// 0 or 1, as a number or as text; null says nothing.
fn role(cursor: &mut JsonCursor<'_>) -> Result<Option<u8>, DecodeError> {
    let text = match cursor.kind()? {
        Kind::Null => {
            cursor.null()?;
            return Ok(None);
        }
        Kind::Number => CompactString::new(cursor.number()?),
        _ => CompactString::from(cursor.text()?),
    };
    match text.as_str() {
        "0" => Ok(Some(0)),
        "1" => Ok(Some(1)),
        _ => Err(cursor.error(DecodeCode::OutOfRange, "a role of 0 or 1 is expected")),
    }
}
