//! Several processes on one log: killed ones, consuming ones, appending ones.
//!
//! The other processes are this test binary, started again with the name of the same test and the
//! folder of the log in its environment; the test then plays its other part.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use keepstep::log::{FeedLimits, GroupEvent, Log, NewRecord};
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{counting_clock, payloads};

/// Tells a process that it is the other one, and where the log lies.
const FOLDER: &str = "KEEPSTEP_TEST_LOG";
/// Begins every line that a child says to its parent.
const SAYS: &str = "child says ";
/// Longest wait for a child.
const PATIENCE: Duration = Duration::from_secs(60);
const PARTITIONS: u32 = 3;

/// The folder of the log, if this process is a child.
fn folder_of_child() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    // One write: a kill must not cut a line that the parent would believe.
    out.write_all(format!("{SAYS}{what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Another process, killed when dropped.
struct OtherProcess {
    child: Child,
    lines: Receiver<String>,
}

impl OtherProcess {
    /// Starts this binary again, to play the other part of a test of this module.
    fn start(test: &str, folder: &Path) -> Self {
        let module = module_path!().split_once("::").unwrap().1;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("{module}::{test}"), "--nocapture"]);
        command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = sync_channel(100_000);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some((_, what)) = line.split_once(SAYS) {
                    said.send(what.to_owned()).unwrap();
                }
            }
        });
        Self { child, lines }
    }

    /// The next thing that the process says.
    fn says(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the other process says nothing")
    }

    /// Kills it and answers what it had said and nobody had heard.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn open(folder: &Path, mode: OpenMode) -> EmbeddedLog {
    EmbeddedLog::open(folder, mode, EmbeddedSettings::new(counting_clock())).await.unwrap()
}

/// Ten records for each partition, numbered from `first` on, with some weight.
fn portion(first: u32) -> Vec<NewRecord> {
    let record = |partition, number| NewRecord {
        partition: Some(partition),
        key: Some(Bytes::from(format!("{number}"))),
        payload: Some(Bytes::from(format!("{number:0>200}"))),
        ..NewRecord::default()
    };
    (0..PARTITIONS)
        .flat_map(|partition| (first..first + 10).map(move |number| record(partition, number)))
        .collect()
}

/// The end of a partition that was never trimmed.
async fn end_of(log: &EmbeddedLog, topic: &Topic, partition: u32) -> u32 {
    let bounds = log.bounds(&TopicPartition::new(topic, partition)).await.unwrap();
    assert_eq!(bounds.start, NextOffset::ZERO);
    bounds.end.0.try_into().unwrap()
}

/// Appends for ever and says each end that the log has acknowledged.
async fn append_until_killed(folder: &Path) {
    let log = open(folder, OpenMode::Append).await;
    let topic = Topic::new("killed");
    let mut end = end_of(&log, &topic, 0).await;
    loop {
        let positions = log.append(&topic, portion(end)).await.unwrap();
        assert_eq!(positions[0], (0, Offset(end.into())));
        end += 10;
        say(&end.to_string());
    }
}

/// Every offset up to the end is there, whole and in its place; all partitions end alike, for each
/// append is one transaction.
async fn check(folder: &Path, acknowledged: u32) -> u32 {
    let log = open(folder, OpenMode::Consume).await;
    let topic = Topic::new("killed");
    let mut ends = Vec::new();
    for partition in 0..PARTITIONS {
        ends.push(end_of(&log, &topic, partition).await);
    }
    assert!(ends.iter().all(|end| *end == ends[0] && end % 10 == 0), "torn: {ends:?}");
    assert!(ends[0] >= acknowledged, "{} of {acknowledged} acknowledged", ends[0]);
    let mut member = log.join("check", &[topic], FeedLimits { bytes: 1_000_000 }).await.unwrap();
    let Some(GroupEvent::Assigned(feeds)) = member.next().await.unwrap() else { panic!("nothing") };
    for mut feed in feeds {
        feed.start(NextOffset::ZERO).await.unwrap();
        let mut numbers = 0..ends[0];
        while !numbers.is_empty() {
            let chunk = timeout(PATIENCE, feed.next()).await.unwrap().unwrap().unwrap();
            for record in chunk.records {
                let number = numbers.next().unwrap();
                assert_eq!(record.offset, Offset(number.into()));
                assert_eq!(record.key, portion(number)[0].key);
                assert_eq!(record.payload, portion(number)[0].payload);
            }
        }
    }
    ends[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    if let Some(folder) = folder_of_child() {
        return append_until_killed(&folder).await;
    }
    let folder = TempDir::new().unwrap();
    let topic = Topic::new("killed");
    let log = open(folder.path(), OpenMode::Consume).await;
    log.create_topic(&topic, PARTITIONS, false).await.unwrap();
    drop(log);
    let mut end = 0;
    for round in 0..6_usize {
        let child = OtherProcess::start("what_was_acknowledged_survives_a_kill", folder.path());
        let mut acknowledged = 0;
        for _ in 0..(10 + 37 * round) {
            acknowledged = child.says().parse().unwrap();
        }
        if let Some(last) = child.kill().last() {
            acknowledged = last.parse().unwrap();
        }
        assert!(acknowledged > end);
        end = check(folder.path(), acknowledged).await;
    }
}

#[tokio::test]
async fn a_second_consuming_process_is_refused_while_the_first_lives() {
    if let Some(folder) = folder_of_child() {
        let _log = open(&folder, OpenMode::Consume).await;
        say("open");
        return std::future::pending().await;
    }
    let folder = TempDir::new().unwrap();
    let test = "a_second_consuming_process_is_refused_while_the_first_lives";
    let child = OtherProcess::start(test, folder.path());
    assert_eq!(child.says(), "open");
    let settings = || EmbeddedSettings::new(counting_clock());
    let refused = EmbeddedLog::open(folder.path(), OpenMode::Consume, settings()).await;
    let error = refused.err().expect("two processes must not consume");
    assert_eq!((error.retry, error.code.as_str()), (false, "LOG_IN_USE"));
    let file = folder.path().join("consumer.lock");
    assert!(error.hint.contains(&file.display().to_string()), "{error}");
    assert!(error.hint.contains(&format!("Process {}", child.child.id())), "{error}");

    let appending = EmbeddedLog::open(folder.path(), OpenMode::Append, settings()).await.unwrap();
    let topic = Topic::new("t");
    appending.create_topic(&topic, 1, false).await.unwrap();
    let refused = appending.join("g", &[topic], FeedLimits { bytes: 1 }).await;
    assert_eq!(refused.err().unwrap().code, "NOT_A_CONSUMER");

    child.kill();
    open(folder.path(), OpenMode::Consume).await;
}

/// Two others append while this process consumes, on a topic that one of them makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_other_processes_are_noticed() {
    const EACH: usize = 60;
    let topic = Topic::new("from-others");
    if let Some(folder) = folder_of_child() {
        let log = open(&folder, OpenMode::Append).await;
        log.create_topic(&topic, 1, false).await.unwrap();
        let process = std::process::id();
        for number in 0..EACH {
            let payload = Some(Bytes::from(format!("{process} {number}")));
            let record = NewRecord { payload, ..NewRecord::default() };
            log.append(&topic, vec![record]).await.unwrap();
        }
        return;
    }
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), OpenMode::Consume).await;
    let limits = FeedLimits { bytes: 1_000_000 };
    let mut member = log.join("g", std::slice::from_ref(&topic), limits).await.unwrap();
    let Some(GroupEvent::Assigned(none)) = member.next().await.unwrap() else { panic!("nothing") };
    assert!(none.is_empty(), "the topic is not there yet");
    let test = "appends_of_other_processes_are_noticed";
    let others = [(); 2].map(|()| OtherProcess::start(test, folder.path()));
    let told = timeout(PATIENCE, member.next()).await.unwrap().unwrap();
    let Some(GroupEvent::Assigned(mut feeds)) = told else { panic!("the topic is not noticed") };
    feeds[0].start(NextOffset::ZERO).await.unwrap();
    let mut read = Vec::new();
    while read.len() < 2 * EACH {
        let chunk = timeout(PATIENCE, feeds[0].next()).await.unwrap().unwrap().unwrap();
        read.extend(payloads(&chunk.records));
    }
    for other in &others {
        let begins = format!("{} ", other.child.id());
        let own: Vec<_> = read.iter().filter_map(|it| it.strip_prefix(&begins)).collect();
        assert_eq!(own, (0..EACH).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}
