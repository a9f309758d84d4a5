//! What the embedded log accepts, and the errors that say so.
//!
//! One place for every limit. Errors name the thing and the limit, never what a record holds.

use crate::log::{LogError, NewRecord, partition_of};
use crate::model::position::{Topic, TopicPartition};

/// Most bytes of key, payload and headers of one record.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// Most headers of one record.
pub const MAX_HEADERS: usize = 256;
/// Most bytes of one append.
pub const MAX_APPEND_BYTES: usize = 64 * 1024 * 1024;
/// Most partitions of a topic.
pub const MAX_PARTITIONS: u32 = 1024;
/// Most topics of a log.
pub const MAX_TOPICS: u32 = 1000;
/// Most characters of a topic's name; letters, digits, dot, underscore and hyphen, as in Kafka.
pub const MAX_TOPIC_NAME: usize = 249;
/// Most records that a feed hands out at once.
pub const MAX_CHUNK_RECORDS: usize = 512;
/// Most bytes that a feed hands out at once, unless one record has more.
pub const MAX_CHUNK_BYTES: usize = 256 * 1024;

/// An error that trying again does not help against.
pub(super) fn refusal(what: impl Into<String>, code: &str, hint: impl Into<String>) -> LogError {
    LogError { retry: false, what: what.into(), code: code.to_owned(), hint: hint.into() }
}

/// Checks name and partition count of a topic to be.
pub(super) fn check_topic(topic: &Topic, partitions: u32) -> Result<(), LogError> {
    let name = topic.as_str();
    let what = || format!("creating topic {name:?}");
    let fits = (1..=MAX_TOPIC_NAME).contains(&name.len()) && name != "." && name != "..";
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !fits || !name.bytes().all(allowed) {
        let hint = format!(
            "A name has 1 to {MAX_TOPIC_NAME} letters, digits, dots, underscores and hyphens, and \
             is not \".\" or \"..\""
        );
        return Err(refusal(what(), "INVALID_TOPIC_NAME", hint));
    }
    if !(1..=MAX_PARTITIONS).contains(&partitions) {
        let hint = format!("A topic has 1 to {MAX_PARTITIONS} partitions, not {partitions}");
        return Err(refusal(what(), "INVALID_PARTITIONS", hint));
    }
    Ok(())
}

/// Checks sizes of records to be appended.
pub(super) fn check_records(topic: &Topic, records: &[NewRecord]) -> Result<(), LogError> {
    let mut total = 0;
    for (index, record) in records.iter().enumerate() {
        let bytes = record.size_bytes();
        let what = || format!("appending record {index} of {} to {topic}", records.len());
        if bytes > MAX_RECORD_BYTES {
            let hint = format!("It has {bytes} bytes; a record has at most {MAX_RECORD_BYTES}");
            return Err(refusal(what(), "RECORD_TOO_LARGE", hint));
        }
        if record.headers.len() > MAX_HEADERS {
            let hint = format!(
                "It has {} headers; a record has at most {MAX_HEADERS}",
                record.headers.len()
            );
            return Err(refusal(what(), "TOO_MANY_HEADERS", hint));
        }
        total += bytes;
    }
    if total > MAX_APPEND_BYTES {
        let what = format!("appending {} records to {topic}", records.len());
        let hint = format!(
            "They have {total} bytes; append at most {MAX_APPEND_BYTES} at once, in several calls"
        );
        return Err(refusal(what, "APPEND_TOO_LARGE", hint));
    }
    Ok(())
}

/// The partition that a record goes to: the one it names, else that of its key, else `spread`
/// decides.
pub(super) fn place(
    topic: &Topic,
    record: &NewRecord,
    partitions: u32,
    spread: impl FnOnce() -> u64,
) -> Result<u32, LogError> {
    match (record.partition, &record.key) {
        (Some(partition), _) if partition < partitions => Ok(partition),
        (Some(partition), _) => Err(no_such_partition(&TopicPartition::new(topic, partition))),
        (None, Some(key)) => Ok(partition_of(key, partitions)),
        (None, None) => {
            Ok(u32::try_from(spread() % u64::from(partitions.max(1))).unwrap_or_default())
        }
    }
}

pub(super) fn no_such_topic(topic: &Topic) -> LogError {
    refusal(format!("topic {topic}"), "UNKNOWN_TOPIC", "Create it, or correct its name")
}

pub(super) fn no_such_partition(topic_partition: &TopicPartition) -> LogError {
    refusal(
        format!("partition {topic_partition}"),
        "UNKNOWN_PARTITION",
        "Correct topic or partition; the topic may not exist or have fewer partitions",
    )
}

/// A topic of that name is there already, and it is not the same.
pub(super) fn exists_otherwise(topic: &Topic) -> LogError {
    refusal(
        format!("creating topic {topic}"),
        "TOPIC_EXISTS",
        "It exists with another number of partitions or another clean-up policy; use it as it is, \
         or choose another name",
    )
}

pub(super) fn too_many_topics(topic: &Topic) -> LogError {
    let hint = format!("A log has at most {MAX_TOPICS} topics");
    refusal(format!("creating topic {topic}"), "TOO_MANY_TOPICS", hint)
}

pub(super) fn fewer_partitions(topic: &Topic) -> LogError {
    refusal(
        format!("adding partitions to topic {topic}"),
        "INVALID_PARTITIONS",
        "It has more partitions than that already; they can only become more",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn names_and_counts_at_their_limits() {
        let name = |length: usize| Topic::new(&"n".repeat(length));
        let good = ["a", "contoso.crm.account", "A_b-9", "..."];
        for topic in good.map(Topic::new).iter().chain([&name(MAX_TOPIC_NAME)]) {
            assert!(check_topic(topic, 1).is_ok(), "{topic}");
        }
        let bad = ["", ".", "..", "a b", "a/b", "é", "a\0"];
        for topic in bad.map(Topic::new).iter().chain([&name(MAX_TOPIC_NAME + 1)]) {
            assert_eq!(check_topic(topic, 1).unwrap_err().code, "INVALID_TOPIC_NAME");
        }
        assert!(check_topic(&name(1), MAX_PARTITIONS).is_ok());
        for partitions in [0, MAX_PARTITIONS + 1] {
            assert_eq!(check_topic(&name(1), partitions).unwrap_err().code, "INVALID_PARTITIONS");
        }
    }

    fn record(bytes: usize) -> NewRecord {
        NewRecord { payload: Some(Bytes::from(vec![7; bytes])), ..NewRecord::default() }
    }

    #[test]
    fn records_at_their_limits() {
        let topic = Topic::new("t");
        assert!(check_records(&topic, &[record(MAX_RECORD_BYTES)]).is_ok());
        let error = check_records(&topic, &[record(1), record(MAX_RECORD_BYTES + 1)]).unwrap_err();
        assert_eq!(error.code, "RECORD_TOO_LARGE");
        assert!(error.what.contains("record 1 of 2"), "{error}");

        let mut keyed = record(MAX_RECORD_BYTES - 1);
        keyed.key = Some(Bytes::from_static(b"ab"));
        assert_eq!(check_records(&topic, &[keyed]).unwrap_err().code, "RECORD_TOO_LARGE");

        let mut with_headers = record(0);
        with_headers.headers = vec![("h".into(), Bytes::new()); MAX_HEADERS];
        assert!(check_records(&topic, std::slice::from_ref(&with_headers)).is_ok());
        with_headers.headers.push(("h".into(), Bytes::new()));
        assert_eq!(check_records(&topic, &[with_headers]).unwrap_err().code, "TOO_MANY_HEADERS");

        let full = vec![record(MAX_RECORD_BYTES); MAX_APPEND_BYTES / MAX_RECORD_BYTES];
        assert!(check_records(&topic, &full).is_ok());
        let over: Vec<_> = full.into_iter().chain([record(1)]).collect();
        assert_eq!(check_records(&topic, &over).unwrap_err().code, "APPEND_TOO_LARGE");
    }

    #[test]
    fn a_record_goes_where_it_says_else_where_its_key_says() {
        let topic = Topic::new("t");
        let mut record = record(1);
        assert_eq!(place(&topic, &record, 4, || 6).unwrap(), 2);
        record.key = Some(Bytes::from_static(b"k"));
        assert_eq!(place(&topic, &record, 4, || 6).unwrap(), partition_of(b"k", 4));
        record.partition = Some(3);
        assert_eq!(place(&topic, &record, 4, || 6).unwrap(), 3);
        record.partition = Some(4);
        assert_eq!(place(&topic, &record, 4, || 6).unwrap_err().code, "UNKNOWN_PARTITION");
    }
}
