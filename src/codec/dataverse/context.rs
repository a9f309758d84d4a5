//! The envelope: which message, of which record, and where its content is.

use crate::codec::json::text::Text;
use uuid::Uuid;

use super::date::operation_created_on;
use super::entity::{Body, body, pairs};
use super::parameter::Parameters;
use super::value::{guid, optional_text};
use crate::codec::entity_names::EntityNames;
use crate::codec::error::{DecodeCode, DecodeError};
use crate::codec::json::cursor::JsonCursor;
use crate::codec::settings::DecoderSettings;
use crate::model::change::{Notification, Version};
use crate::model::value::Ticks;

/// Alias of the image that the platform adds to asynchronous steps by itself. It holds the primary
/// key and the primary name only, so it is never a full image.
const AUTOMATIC_IMAGE: &str = "AsynchronousStepPrimaryName";
/// What stands for "no entity".
const NO_ENTITY: &str = "none";
/// Members of the envelope that are read; each may stand once.
#[derive(Clone, Copy)]
enum Member {
    CorrelationId,
    InputParameters,
    MessageName,
    OperationCreatedOn,
    OrganizationId,
    OutputParameters,
    PostEntityImages,
    PreEntityImages,
    PrimaryEntityId,
    PrimaryEntityName,
}

impl Member {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "CorrelationId" => Self::CorrelationId,
            "InputParameters" => Self::InputParameters,
            "MessageName" => Self::MessageName,
            "OperationCreatedOn" => Self::OperationCreatedOn,
            "OrganizationId" => Self::OrganizationId,
            "OutputParameters" => Self::OutputParameters,
            "PostEntityImages" => Self::PostEntityImages,
            "PreEntityImages" => Self::PreEntityImages,
            "PrimaryEntityId" => Self::PrimaryEntityId,
            "PrimaryEntityName" => Self::PrimaryEntityName,
            _ => return None,
        })
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Context<'a> {
    /// One bit per [`Member`].
    seen: u16,
    /// The message.
    pub message: Option<Text<'a>>,
    /// The record's entity, where there is one.
    pub entity: Option<Text<'a>>,
    /// The record.
    pub id: Option<Uuid>,
    /// The record, as a create answers it.
    pub output_id: Option<Uuid>,
    /// The organisation.
    pub organization_id: Option<Uuid>,
    /// The id of the request.
    pub correlation_id: Option<Uuid>,
    /// When the operation was made.
    pub created_on: Option<Ticks>,
    /// Its input.
    pub parameters: Parameters<'a>,
    /// The image after it, of the alias in the settings.
    pub post_image: Option<Body<'a>>,
    /// The row version before it.
    pub pre_image_version: Option<Version>,
}

/// Reads one execution context.
pub(in crate::codec) fn decode_context(
    cursor: &mut JsonCursor<'_>,
    settings: &DecoderSettings,
    names: &mut EntityNames,
) -> Result<Notification, DecodeError> {
    let mut context = Context::default();
    let mut members = cursor.begin_object()?;
    while let Some(name) = cursor.member(&mut members)? {
        match Member::of(&name) {
            Some(member) => {
                context.member(member, cursor, settings).map_err(|error| error.in_field(&name))?;
            }
            // Not needed, or newer than this version: `ParentContext` is the largest of them.
            None => cursor.skip()?,
        }
    }
    cursor.end()?;
    context.notification(cursor, settings, names)
}

impl<'a> Context<'a> {
    fn member(
        &mut self,
        member: Member,
        cursor: &mut JsonCursor<'a>,
        settings: &DecoderSettings,
    ) -> Result<(), DecodeError> {
        let bit = 1 << member as u16;
        if self.seen & bit != 0 {
            return Err(cursor.error(DecodeCode::Repeated, "the field stands twice"));
        }
        self.seen |= bit;
        match member {
            Member::CorrelationId => self.correlation_id = guid(cursor)?,
            Member::InputParameters => {
                self.parameters.read(cursor, settings.post_image_alias.is_some())?;
            }
            Member::MessageName => self.message = optional_text(cursor)?,
            Member::OperationCreatedOn => self.created_on = created_on(cursor)?,
            Member::OrganizationId => self.organization_id = guid(cursor)?,
            Member::OutputParameters => {
                pairs(cursor, |key, cursor| match &*key {
                    "id" => {
                        self.output_id = guid(cursor)?;
                        Ok(())
                    }
                    _ => cursor.skip(),
                })?;
            }
            Member::PostEntityImages => {
                self.post_image = image(cursor, settings.post_image_alias.as_deref())?;
            }
            Member::PreEntityImages => {
                let image = image(cursor, settings.pre_image_alias.as_deref())?;
                self.pre_image_version = image.and_then(|image| image.version);
            }
            Member::PrimaryEntityId => self.id = guid(cursor)?,
            Member::PrimaryEntityName => {
                self.entity = optional_text(cursor)?.filter(|name| **name != *NO_ENTITY);
            }
        }
        Ok(())
    }
}

fn created_on(cursor: &mut JsonCursor<'_>) -> Result<Option<Ticks>, DecodeError> {
    let Some(text) = optional_text(cursor)? else {
        return Ok(None);
    };
    match operation_created_on(&text) {
        Some(ticks) => Ok(Some(ticks)),
        None => Err(cursor.error(DecodeCode::OutOfRange, "a moment in the years 1 to 9999")),
    }
}

/// The image of that alias.
fn image<'a>(
    cursor: &mut JsonCursor<'a>,
    alias: Option<&str>,
) -> Result<Option<Body<'a>>, DecodeError> {
    let mut found = None;
    let Some(alias) = alias.filter(|alias| *alias != AUTOMATIC_IMAGE) else {
        cursor.skip()?;
        return Ok(None);
    };
    pairs(cursor, |key, cursor| {
        if *key != *alias {
            return cursor.skip();
        }
        if found.is_some() {
            return Err(cursor.error(DecodeCode::Repeated, "two images of the same alias"));
        }
        if !cursor.null()? {
            found = Some(body(cursor)?);
        }
        Ok(())
    })?;
    Ok(found)
}
