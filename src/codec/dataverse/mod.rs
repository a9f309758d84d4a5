//! Dataverse's own notifications: a `RemoteExecutionContext` as JSON, as .NET's
//! `DataContractJsonSerializer` writes it for service endpoints and webhooks.
//!
//! What the shape promises and what it leaves open was learnt from captured bodies, so this room is
//! lenient in what it does not need (unknown members are passed over, `ParentContext` too) and
//! strict in what it writes down: a message or a type that it does not know is refused by name.
//! Text stays [`Untyped`](crate::model::value::Value::Untyped), for on this wire text, ids and dates
//! look alike. Images count only under the alias that the settings name.

pub(super) mod context;
mod date;
pub(super) mod encode;
mod encode_value;
mod entity;
mod link;
mod message;
mod parameter;
mod value;
