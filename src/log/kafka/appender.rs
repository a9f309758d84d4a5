//! Appending: an idempotent producer, answered when every record is on the log.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::{Notify, RwLock};

use super::failure;
use super::observer::Observer;
use crate::log::{LogError, NewRecord};
use crate::model::position::{Offset, Topic};

/// What a record of the current format costs beside its bytes, at most: batch and record headers.
const OVERHEAD_BYTES: usize = 128;
/// Records handed over before other tasks may run.
const BURST: usize = 256;
/// Looks at a topic whose partition the producer does not know, and how long each may take.
const REFRESHES: u32 = 3;
const REFRESH: Duration = Duration::from_secs(2);
/// How long to wait for room when librdkafka's buffer is full.
const ROOM: Duration = Duration::from_millis(5);

/// Appends to any topic.
pub(super) struct Appender {
    config: ClientConfig,
    record_max_bytes: usize,
    producer: Mutex<Option<Arc<ThreadedProducer<AppendContext>>>>,
    /// Written by an append that nothing else may be under way beside.
    alone: RwLock<()>,
}

/// The context of the producer: hands each report to the append that waits for it.
struct AppendContext(Observer);

impl ClientContext for AppendContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for AppendContext {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Self::DeliveryOpaque) {
        match result {
            Ok(record) => ticket.delivered(record.offset()),
            Err((error, _)) => ticket.failed(error),
        }
    }
}

/// One record's place in its append.
struct Ticket {
    append: Arc<Append>,
    index: usize,
}

impl Ticket {
    fn delivered(&self, offset: i64) {
        if let Some(slot) = self.append.offsets.get(self.index) {
            slot.store(offset, Ordering::Relaxed);
        }
        self.append.settle();
    }

    fn failed(&self, error: &KafkaError) {
        self.append.fail(error);
        self.append.settle();
    }
}

/// An append that waits for its reports.
struct Append {
    offsets: Vec<AtomicI64>,
    outstanding: AtomicUsize,
    failure: Mutex<Option<KafkaError>>,
    settled: Notify,
}

impl Append {
    fn fail(&self, error: &KafkaError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| error.clone());
    }

    /// One record, or the handing over itself, is done.
    fn settle(&self) {
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settled.notify_one();
        }
    }
}

impl Appender {
    /// The producer itself is made by the first append.
    pub(super) fn new(config: ClientConfig, record_max_bytes: usize) -> Self {
        Self { config, record_max_bytes, producer: Mutex::new(None), alone: RwLock::new(()) }
    }

    /// Appends records whose partitions are chosen. On an error some may have been appended.
    ///
    /// # Errors
    /// If a record is too large (then nothing is appended), or the log did not take one in time.
    pub(super) async fn append(
        &self,
        topic: &Topic,
        records: Vec<(u32, NewRecord)>,
    ) -> Result<Vec<(u32, Offset)>, LogError> {
        self.check_sizes(topic, &records)?;
        let outcome = {
            let _with_others = self.alone.read().await;
            self.append_once(topic, &records).await
        };
        match outcome {
            // librdkafka sends records of several appends in one batch, and the broker refuses the
            // whole of it: only alone does it tell whether this one is too large.
            Err(error) if records.len() == 1 && error.code == too_large_code() => {
                let _alone = self.alone.write().await;
                self.append_once(topic, &records).await
            }
            outcome => outcome,
        }
    }

    async fn append_once(
        &self,
        topic: &Topic,
        records: &[(u32, NewRecord)],
    ) -> Result<Vec<(u32, Offset)>, LogError> {
        let producer = self.producer()?;
        let append = Arc::new(Append {
            offsets: records.iter().map(|_| AtomicI64::new(-1)).collect(),
            // One for the handing over, so that no report before its end settles the append.
            outstanding: AtomicUsize::new(1),
            failure: Mutex::new(None),
            settled: Notify::new(),
        });
        for (index, (partition, record)) in records.iter().enumerate() {
            if let Err(error) =
                hand_over(&producer, topic, *partition, record, &append, index).await
            {
                append.fail(&error);
                break;
            }
            if index % BURST == BURST - 1 {
                tokio::task::yield_now().await;
            }
        }
        append.settle();
        // librdkafka reports every record within the time-out of an append.
        append.settled.notified().await;
        let failure = append.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(error) = failure {
            self.discard_if_dead(&producer);
            return Err(failure::of(format!("cannot append to {topic}"), &error));
        }
        let offsets = append.offsets.iter().map(|offset| Offset(offset.load(Ordering::Relaxed)));
        Ok(records.iter().map(|(partition, _)| *partition).zip(offsets).collect())
    }

    fn check_sizes(&self, topic: &Topic, records: &[(u32, NewRecord)]) -> Result<(), LogError> {
        let limit = self.record_max_bytes.saturating_sub(OVERHEAD_BYTES);
        let too_large = records
            .iter()
            .enumerate()
            .map(|(index, (_, record))| (index, size_bytes(record)))
            .find(|(_, bytes)| *bytes > limit);
        match too_large {
            None => Ok(()),
            Some((index, bytes)) => Err(LogError {
                retry: false,
                what: format!(
                    "cannot append to {topic}: record {index} of the call has {bytes} bytes, \
                     {limit} is the most"
                ),
                code: too_large_code(),
                hint: "Make it smaller, or raise record_max_bytes and the message.max.bytes of \
                       broker and topic."
                    .to_owned(),
            }),
        }
    }

    fn producer(&self) -> Result<Arc<ThreadedProducer<AppendContext>>, LogError> {
        let mut slot = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = &*slot {
            return Ok(Arc::clone(producer));
        }
        let debug = self.config.get("debug").is_some();
        let context = AppendContext(Observer::new("appender", debug));
        let producer: ThreadedProducer<AppendContext> = self
            .config
            .create_with_context(context)
            .map_err(|error| failure::of_creation("appender", &error))?;
        let producer = Arc::new(producer);
        *slot = Some(Arc::clone(&producer));
        Ok(producer)
    }

    /// An idempotent producer that lost its sequence is dead; the next append makes a new one.
    fn discard_if_dead(&self, producer: &Arc<ThreadedProducer<AppendContext>>) {
        if producer.client().fatal_error().is_none() {
            return;
        }
        let mut slot = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, producer)) {
            *slot = None;
        }
    }
}

/// Hands one record to librdkafka, waiting for room in its buffer.
async fn hand_over(
    producer: &Arc<ThreadedProducer<AppendContext>>,
    topic: &Topic,
    partition: u32,
    record: &NewRecord,
    append: &Arc<Append>,
    index: usize,
) -> Result<(), KafkaError> {
    append.outstanding.fetch_add(1, Ordering::AcqRel);
    let ticket = Box::new(Ticket { append: Arc::clone(append), index });
    let mut message =
        BaseRecord::with_opaque_to(topic.as_str(), ticket).partition(super::number(partition));
    message.key = record.key.as_deref();
    message.payload = record.payload.as_deref();
    message.timestamp = record.timestamp_ms;
    message.headers = headers_of(record);
    let mut refreshes = 0;
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                message = back;
                tokio::time::sleep(ROOM).await;
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::UnknownPartition), back))
                if refreshes < REFRESHES =>
            {
                message = back;
                refreshes += 1;
                refresh(producer, topic).await;
            }
            Err((error, _)) => {
                append.settle();
                return Err(error);
            }
        }
    }
}

/// Has the producer look at the topic again: the cluster told us of a partition that the producer,
/// which looks once a minute, does not know yet.
async fn refresh(producer: &Arc<ThreadedProducer<AppendContext>>, topic: &Topic) {
    let (producer, topic) = (Arc::clone(producer), topic.clone());
    let looking = tokio::task::spawn_blocking(move || {
        // If it fails, sending fails again and says why.
        drop(producer.client().fetch_metadata(Some(topic.as_str()), REFRESH));
    });
    drop(looking.await);
}

/// The code of a record that is larger than the topic takes.
fn too_large_code() -> String {
    format!("{:?}", RDKafkaErrorCode::MessageSizeTooLarge)
}

fn headers_of(record: &NewRecord) -> Option<OwnedHeaders> {
    if record.headers.is_empty() {
        return None;
    }
    let empty = OwnedHeaders::new_with_capacity(record.headers.len());
    Some(record.headers.iter().fold(empty, |headers, (name, value)| {
        headers.insert(Header { key: name, value: Some(value.as_ref()) })
    }))
}

/// Bytes of key, payload and headers.
fn size_bytes(record: &NewRecord) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.as_ref().map_or(0, bytes::Bytes::len)
        + record.payload.as_ref().map_or(0, bytes::Bytes::len)
        + headers
}
