//! The relay: every notification once and in order, whatever instant it is ended at.

mod course;
mod interruptions;
mod unreliable_log;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use keepstep::app::failure::Failure;
use keepstep::app::relay::{RelayOrder, RelayReport, relay};
use keepstep::app::shutdown::stop_pair;
use keepstep::codec::{Decoder, DecoderSettings, Relationships};
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings};
use keepstep::log::{Log, LogRecord, NewRecord};
use keepstep::model::change::Notification;
use keepstep::model::entity::{EntityDefinition, Intersect, IntersectSide};
use keepstep::model::position::{Offset, Topic, TopicPartition};
use keepstep::model::record::{EntityName, RecordId};
use uuid::Uuid;

const TARGET_PARTITIONS: u32 = 3;

fn intersect() -> EntityDefinition {
    let side = |entity: &str, attribute: &str| IntersectSide {
        entity: EntityName::new(entity),
        attribute: CompactString::new(attribute),
    };
    EntityDefinition {
        name: EntityName::new("contactleads"),
        primary_id: "contactleadid".into(),
        intersect: Some(Intersect {
            relationship: "contactleads_association".into(),
            first: side("contact", "contactid"),
            second: side("lead", "leadid"),
        }),
        attributes: Vec::new(),
    }
}

fn decoder() -> Arc<DecoderSettings> {
    let relationships = Relationships::of([&intersect()]);
    Arc::new(DecoderSettings { relationships, ..DecoderSettings::default() })
}

fn change(id: u128, version: u64) -> String {
    let id = Uuid::from_u128(id);
    format!(
        r#"{{"entity":"contact","record_id":"{id}","operation":"update","image":"patch","row_version":{version},"attributes":{{"firstname":"{version}"}}}}"#
    )
}

/// Dataverse's own message that a contact was associated with several leads.
fn associate(contact: u128, leads: &[u128]) -> String {
    let reference = |entity: &str, id: u128| {
        format!(
            r#"{{"__type":"EntityReference:http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts","Id":"{}","KeyAttributes":[],"LogicalName":"{entity}","Name":null,"RowVersion":null}}"#,
            Uuid::from_u128(id)
        )
    };
    let related: Vec<String> = leads.iter().map(|lead| reference("lead", *lead)).collect();
    format!(
        r#"{{"InputParameters":[{{"key":"Target","value":{}}},{{"key":"Relationship","value":{{"__type":"Relationship:http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts","PrimaryEntityRole":null,"SchemaName":"contactleads_association"}}}},{{"key":"RelatedEntities","value":[{}]}}],"MessageName":"Associate","OrganizationId":"00000000-0000-0000-0000-000000000009","PrimaryEntityId":"00000000-0000-0000-0000-000000000000","PrimaryEntityName":"none"}}"#,
        reference("contact", contact),
        related.join(",")
    )
}

struct Scene {
    log: EmbeddedLog,
    from: Topic,
    to: Topic,
}

impl Scene {
    async fn new(source_partitions: u32) -> Self {
        let log = EmbeddedLog::in_memory(EmbeddedSettings::new(Arc::new(|| 1_000)));
        let (from, to) = (Topic::new("raw"), Topic::new("keyed"));
        log.create_topic(&from, source_partitions, false).await.unwrap();
        log.create_topic(&to, TARGET_PARTITIONS, false).await.unwrap();
        Self { log, from, to }
    }

    async fn send(&self, partition: u32, payload: &str, timestamp_ms: i64) {
        let record = NewRecord {
            partition: Some(partition),
            payload: Some(Bytes::from(payload.to_owned())),
            timestamp_ms: Some(timestamp_ms),
            ..NewRecord::default()
        };
        self.log.append(&self.from, vec![record]).await.unwrap();
    }

    fn order(&self) -> RelayOrder {
        RelayOrder {
            from: self.from.clone(),
            to: self.to.clone(),
            start: None,
            until_end: true,
            leave_out: BTreeSet::new(),
            accept_gap: false,
        }
    }

    async fn relay(&self, order: &RelayOrder) -> Result<RelayReport, Failure> {
        let (_stopper, stop) = stop_pair();
        relay(&self.log, order, decoder(), stop, |_| {}).await
    }

    async fn target(&self) -> Vec<Vec<LogRecord>> {
        let mut partitions = Vec::new();
        for partition in 0..TARGET_PARTITIONS {
            let topic_partition = TopicPartition::new(&self.to, partition);
            let end = self.log.bounds(&topic_partition).await.unwrap().end.0;
            let mut records = Vec::new();
            for offset in 0..end {
                records.extend(self.log.read_at(&topic_partition, Offset(offset)).await.unwrap());
            }
            partitions.push(records);
        }
        partitions
    }
}

/// Partition, offset and part of the header that says where a record came from.
fn origin(record: &LogRecord) -> (u32, i64, u32) {
    let (_, value) =
        record.headers.iter().find(|(name, _)| name == "keepstep-relay-source").unwrap();
    let text = std::str::from_utf8(value).unwrap().strip_prefix("raw/").unwrap();
    let (partition, rest) = text.split_once('@').unwrap();
    let (offset, part) = rest.split_once('#').unwrap();
    let (part, _) = part.split_once('/').unwrap();
    (partition.parse().unwrap(), offset.parse().unwrap(), part.parse().unwrap())
}

fn record_id(record: &LogRecord) -> RecordId {
    let payload = record.payload.as_ref().unwrap();
    match Decoder::new(decoder()).decode(&record.headers, payload).unwrap() {
        Notification::Change(change) => change.record_id,
        Notification::Changes(changes) if changes.len() == 1 => changes[0].record_id,
        other => panic!("{other:?}"),
    }
}
