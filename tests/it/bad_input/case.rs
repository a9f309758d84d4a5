//! A case: what lies on the log, and how it must end.

use bytes::Bytes;
use compact_str::CompactString;
use keepstep::codec::encode_change;
use keepstep::log::NewRecord;
use keepstep::model::change::{Change, Image, Operation, Version};
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Value;
use uuid::Uuid;

use super::scene::{UNVERSIONED, VERSIONED};

/// Stands in the content of the cases, and must never stand in a cause.
pub const CANARY: &str = "Zeppelin4711";

/// How a case ends. Everything but the named end is a fault.
#[derive(Clone, Debug)]
pub enum End {
    /// Held under this code; these words are in the cause.
    Held(&'static str, String),
    /// The same, and the cause names this column.
    HeldIn(&'static str, &'static str, String),
    /// Written: these columns hold this, and nothing is held. `None` is null.
    Row(Vec<(&'static str, Option<String>)>),
    /// Nobody's business here: no row, and nothing held.
    Nothing,
}

/// One record on the log.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub entity: &'static str,
    pub id: Uuid,
    pub key: Option<Bytes>,
    pub headers: Vec<(CompactString, Bytes)>,
    pub payload: Option<Bytes>,
    pub end: End,
    /// The record that the held change is known by.
    pub known_as: Option<Uuid>,
}

pub fn held(code: &'static str, words: &str) -> End {
    End::Held(code, words.to_owned())
}

/// Bytes that are no change: the words begin with the kind of failure.
pub fn undecodable(words: &str) -> End {
    held("undecodable", words)
}

pub fn held_in(column: &'static str, code: &'static str, words: &str) -> End {
    End::HeldIn(column, code, words.to_owned())
}

pub fn row(columns: &[(&'static str, &str)]) -> End {
    End::Row(columns.iter().map(|(name, text)| (*name, Some((*text).to_owned()))).collect())
}

/// A change of the versioned entity.
pub fn change(id: Uuid, attributes: &[(&str, Value)]) -> Change {
    Change {
        organization_id: None,
        entity: EntityName::new(VERSIONED),
        record_id: RecordId(id),
        operation: Operation::Create,
        image: Image::Full,
        version: Some(Version(1)),
        changed_at: None,
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect(),
        correlation_id: None,
        payload_reference: None,
    }
}

/// The canary in a column that no case is about.
fn canary() -> (&'static str, Value) {
    ("memo", Value::Text(CANARY.into()))
}

/// JSON of our own shape; `rest` begins with a comma or is empty.
pub fn json_text(id: Uuid, attributes: &str, rest: &str) -> String {
    format!(
        r#"{{"entity":"{VERSIONED}","record_id":"{id}","operation":"create","image":"full","row_version":1,"attributes":{attributes}{rest}}}"#
    )
}

/// An update as Dataverse sends it, whose target has these attributes.
pub fn dataverse_text(message: &str, id: Uuid, attributes: &str) -> String {
    format!(
        r#"{{"CorrelationId":"22222222-0000-0000-0000-000000000002","InputParameters":[{{"key":"Target","value":{{"__type":"Entity:http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts","Attributes":[{attributes}],"Id":"{id}","LogicalName":"{UNVERSIONED}"}}}}],"MessageName":"{message}","OperationCreatedOn":"\/Date(1608007658000+0000)\/","OrganizationId":"55555555-0000-0000-0000-000000000005","PrimaryEntityId":"{id}","PrimaryEntityName":"{UNVERSIONED}"}}"#
    )
}

impl Case {
    /// Bytes under the key of a record of the case's own.
    pub fn bytes(name: &str, payload: impl FnOnce(Uuid) -> Vec<u8>, end: End) -> Self {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        Self {
            name: name.to_owned(),
            entity: VERSIONED,
            id,
            key: Some(id.hyphenated().to_string().into()),
            headers: Vec::new(),
            payload: Some(payload(id).into()),
            end,
            known_as: Some(id),
        }
    }

    /// A change in Avro with this attribute and the canary.
    pub fn avro(name: &str, attribute: &str, value: Value, end: End) -> Self {
        Self::bytes(name, |id| encode_change(&change(id, &[(attribute, value), canary()])), end)
    }

    /// A change in JSON of our shape, with this attribute and the canary.
    pub fn json(name: &str, attribute: &str, value: &str, end: End) -> Self {
        let attributes = format!(r#"{{"{attribute}":{value},"memo":"{CANARY}"}}"#);
        Self::bytes(name, |id| json_text(id, &attributes, "").into_bytes(), end)
    }

    /// A create in Dataverse's JSON, with this attribute and the canary.
    pub fn dataverse(name: &str, attribute: &str, value: &str, end: End) -> Self {
        let attributes = format!(
            r#"{{"key":"{attribute}","value":{value}}},{{"key":"memo","value":"{CANARY}"}}"#
        );
        let case =
            Self::bytes(name, |id| dataverse_text("Create", id, &attributes).into_bytes(), end);
        Self { entity: UNVERSIONED, ..case }
    }

    pub fn key(self, key: Option<&[u8]>) -> Self {
        Self { key: key.map(Bytes::copy_from_slice), ..self }
    }

    pub fn header(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.into(), Bytes::copy_from_slice(value)));
        self
    }

    pub fn known_as(self, known_as: Option<Uuid>) -> Self {
        Self { known_as, ..self }
    }

    pub fn record(&self) -> NewRecord {
        NewRecord {
            key: self.key.clone(),
            payload: self.payload.clone(),
            headers: self.headers.clone(),
            ..NewRecord::default()
        }
    }
}

/// A good change, and its record.
pub fn good(number: usize) -> (NewRecord, Uuid) {
    let id = Uuid::from_u128(0x600d << 64 | number as u128);
    let record = NewRecord {
        key: Some(id.hyphenated().to_string().into()),
        payload: Some(encode_change(&change(id, &[("name", Value::Text("good".into()))])).into()),
        ..NewRecord::default()
    };
    (record, id)
}
