//! Questions to the cluster, and single records read back, while the group consumes.
//!
//! One consumer that never joins a group serves both. Questions run on Tokio's blocking threads;
//! records are read by a thread of our own, several at a time, since a lane reads one back for each
//! partition that it takes. Everything has a time-out; nothing here holds up the group.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, ClientContext, Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::{Semaphore, oneshot};

use super::observer::Observer;
use super::{chunk, failure};
use crate::log::{LogError, LogRecord};
use crate::model::position::{Offset, TopicPartition};

/// Questions and reads under way at a time; more wait.
const AT_A_TIME: usize = 32;
/// A question is asked in slices of this, to notice early that a login or TLS is what fails.
const SLICE: Duration = Duration::from_secs(1);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the idle thread serves librdkafka's log lines.
const TICK: Duration = Duration::from_millis(100);

/// The context of the reader's consumer.
pub(super) struct ReaderContext(Observer);

impl ClientContext for ReaderContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ConsumerContext for ReaderContext {}

/// Asks and reads.
pub(super) struct Reader {
    consumer: Arc<BaseConsumer<ReaderContext>>,
    requests: SyncSender<Request>,
    slots: Arc<Semaphore>,
    timeout: Duration,
}

/// A record to read.
struct Request {
    topic_partition: TopicPartition,
    offset: Offset,
    until: Instant,
    answer: oneshot::Sender<Result<Option<LogRecord>, LogError>>,
}

impl Reader {
    /// Creates the consumer and its thread. Connects when first asked.
    pub(super) fn new(config: &ClientConfig, timeout: Duration) -> Result<Self, LogError> {
        let context = ReaderContext(Observer::new("reader", config.get("debug").is_some()));
        let consumer: BaseConsumer<ReaderContext> = config
            .create_with_context(context)
            .map_err(|error| failure::of_creation("reader", &error))?;
        let consumer = Arc::new(consumer);
        let (requests, received) = sync_channel(AT_A_TIME);
        let reading = Arc::clone(&consumer);
        std::thread::Builder::new()
            .name("kafka-reader".to_owned())
            .spawn(move || serve(&reading, &received))
            .map_err(|error| failure::of_thread(&error))?;
        Ok(Self { consumer, requests, slots: Arc::new(Semaphore::new(AT_A_TIME)), timeout })
    }

    /// Asks on blocking threads, in slices, until there is an answer or time is up. Fails early with
    /// the reason why nothing is answered, where librdkafka knows it.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        what: String,
        question: impl Fn(&BaseConsumer<ReaderContext>, Duration) -> KafkaResult<T>
        + Send
        + Sync
        + 'static,
    ) -> Result<T, LogError> {
        let permit = Arc::new(Arc::clone(&self.slots).acquire_owned().await);
        let question = Arc::new(question);
        let start = Instant::now();
        loop {
            let left = self.timeout.saturating_sub(start.elapsed());
            let (consumer, question) = (Arc::clone(&self.consumer), Arc::clone(&question));
            // The permit is held by what really runs, should the caller go away.
            let permit = Arc::clone(&permit);
            let asked = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                question(&consumer, left.min(SLICE))
            });
            let error = match asked.await {
                Ok(Ok(answer)) => {
                    self.consumer.context().0.answered();
                    return Ok(answer);
                }
                Ok(Err(error)) => match self.consumer.context().0.reason() {
                    Some(reason) => failure::of_reason(&*what, reason),
                    None => failure::of(&*what, &error),
                },
                Err(_) => failure::of_code(&*what, RDKafkaErrorCode::Fail),
            };
            if !error.retry || start.elapsed() >= self.timeout {
                return Err(error);
            }
            // An error that comes at once must not be asked for a thousand times a second.
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The first record at or after `offset`; `None` if there is none.
    pub(super) async fn read_at(
        &self,
        topic_partition: &TopicPartition,
        offset: Offset,
    ) -> Result<Option<LogRecord>, LogError> {
        // The permit keeps the channel from ever being full, so sending does not block.
        let _permit = Arc::clone(&self.slots).acquire_owned().await;
        let (answer, answered) = oneshot::channel();
        let request = Request {
            topic_partition: topic_partition.clone(),
            offset,
            until: Instant::now() + self.timeout,
            answer,
        };
        let sent = self.requests.try_send(request).is_ok();
        let gone = || {
            let what = format!("cannot read {topic_partition} at {offset}");
            failure::of_code(what, RDKafkaErrorCode::Fail)
        };
        if !sent {
            return Err(gone());
        }
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// The thread: reads what is asked for, and serves log lines and errors in between.
fn serve(consumer: &BaseConsumer<ReaderContext>, requests: &Receiver<Request>) {
    let mut later: Option<Request> = None;
    loop {
        let first = match later.take().map_or_else(|| requests.recv_timeout(TICK), Ok) {
            Ok(request) => request,
            Err(RecvTimeoutError::Timeout) => {
                while consumer.poll(Duration::from_millis(1)).is_some() {}
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // The end of a partition is told by the partition's number only; so each number once.
        let mut numbers = HashSet::from([first.topic_partition.partition]);
        let mut batch = vec![first];
        while later.is_none()
            && let Ok(request) = requests.try_recv()
        {
            if numbers.insert(request.topic_partition.partition) {
                batch.push(request);
            } else {
                later = Some(request);
            }
        }
        read(consumer, batch);
    }
}

/// Reads one record for each request.
fn read(consumer: &BaseConsumer<ReaderContext>, mut waiting: Vec<Request>) {
    let start = Instant::now();
    let mut list = TopicPartitionList::with_capacity(waiting.len());
    for Request { topic_partition, offset, .. } in &waiting {
        let partition = super::number(topic_partition.partition.0);
        let offset = KafkaOffset::Offset(offset.0.max(0));
        // Only a list with partitions has elements to set; it has this one.
        drop(list.add_partition_offset(topic_partition.topic.as_str(), partition, offset));
    }
    if consumer.assign(&list).is_err() {
        return;
    }
    while let Some(until) = waiting.iter().map(|request| request.until).max() {
        match consumer.poll(Duration::from_millis(20)) {
            Some(Ok(record)) => {
                let mine = waiting.iter().position(|request| {
                    let TopicPartition { topic, partition } = &request.topic_partition;
                    super::number(partition.0) == record.partition()
                        && topic.as_str() == record.topic()
                });
                if let Some(index) = mine {
                    let request = waiting.swap_remove(index);
                    // Behind the end librdkafka starts over at the beginning.
                    consumer.context().0.answered();
                    let found = record.offset() >= request.offset.0;
                    let record = found.then(|| chunk::single(&record)).flatten();
                    drop(request.answer.send(Ok(record)));
                }
            }
            Some(Err(KafkaError::PartitionEOF(number))) => {
                let ended = waiting.iter().position(|request| {
                    super::number(request.topic_partition.partition.0) == number
                });
                if let Some(index) = ended {
                    drop(waiting.swap_remove(index).answer.send(Ok(None)));
                }
            }
            Some(Err(error)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                if !failure::classify(code).0 {
                    give_up(&mut waiting, |what| failure::of_code(what, code));
                }
            }
            None => {}
        }
        // What was wrong may be mended meanwhile; a slice is enough to see that.
        let reason = consumer.context().0.reason();
        let hopeless = reason.is_some_and(|reason| reason.sure) && start.elapsed() >= SLICE;
        if hopeless || Instant::now() >= until {
            let code = RDKafkaErrorCode::OperationTimedOut;
            give_up(&mut waiting, |what| match reason {
                Some(reason) => failure::of_reason(what, reason),
                None => failure::of_code(what, code),
            });
        }
    }
    drop(consumer.unassign());
}

fn give_up(waiting: &mut Vec<Request>, error: impl Fn(String) -> LogError) {
    for request in waiting.drain(..) {
        let what = format!("cannot read {} at {}", request.topic_partition, request.offset);
        drop(request.answer.send(Err(error(what))));
    }
}
