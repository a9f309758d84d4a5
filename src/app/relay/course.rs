//! The course of a relay: from records to what is written, and through outages.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::header::{Origin, Settled, headers, is_ours};
use super::intake::{Intake, Step};
use super::memory::{Memory, Remembered, read_back};
use super::{RelayOrder, RelayReport};
use crate::app::failure::Failure;
use crate::app::keying::{Keyed, Keyer};
use crate::app::shutdown::Stop;
use crate::log::{Log, LogRecord, NewRecord, partition_of};
use crate::model::backoff::Backoff;
use crate::model::position::{NextOffset, TopicPartition};
use crate::model::profile::Start;

/// First and longest wait between tries against an outage.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// A relay at work.
pub(super) struct Course<'a> {
    log: &'a dyn Log,
    order: &'a RelayOrder,
    partitions: u32,
    keyer: Keyer,
    /// Everything below is on the target.
    settled: Settled,
    /// What stands in the headers: `settled`, held back until nothing is written beyond it.
    told: Settled,
    memory: Memory,
    ends: BTreeMap<u32, NextOffset>,
    report: RelayReport,
}

impl<'a> Course<'a> {
    pub(super) fn new(
        log: &'a dyn Log,
        order: &'a RelayOrder,
        partitions: u32,
        keyer: Keyer,
        ends: BTreeMap<u32, NextOffset>,
    ) -> Self {
        Self {
            log,
            order,
            partitions,
            keyer,
            settled: Settled::new(),
            told: Settled::new(),
            memory: Memory::default(),
            ends,
            report: RelayReport::default(),
        }
    }

    /// What was done so far.
    pub(super) fn report(&self) -> RelayReport {
        self.report
    }

    /// Relays until a stop is asked for, or the end is reached.
    pub(super) async fn consume(
        &mut self,
        intake: &mut Intake,
        stop: &mut Stop,
        on_progress: &mut impl FnMut(RelayReport),
    ) -> Result<(), Failure> {
        let mut assigned = false;
        loop {
            match intake.next(stop).await? {
                Step::Stopped => return Ok(()),
                Step::Assigned(partitions) => {
                    assigned = true;
                    self.remember().await?;
                    for partition in partitions {
                        let from = self.starting_point(partition).await?;
                        self.settled.insert(partition, from);
                        intake.start(partition, from).await?;
                    }
                    self.tell();
                }
                Step::Records(records) => {
                    self.write(records, stop).await?;
                    intake.commit(&self.settled);
                    on_progress(self.report);
                }
                Step::Idle => {
                    if assigned && self.order.until_end && self.at_the_end().await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads the memory back from the target.
    async fn remember(&mut self) -> Result<(), Failure> {
        let (from, to) = (&self.order.from, &self.order.to);
        match read_back(self.log, from, to, self.partitions).await? {
            Remembered::Known(memory) => self.memory = memory,
            Remembered::Unknown if self.order.start.is_none() => {
                return Err(Failure::new(
                    format!(
                        "{to} holds or held records, and none of them tells of a relay of {from}"
                    ),
                    "relay to a new topic, or name where to begin with --from",
                ));
            }
            Remembered::Fresh | Remembered::Unknown => self.memory = Memory::default(),
        }
        Ok(())
    }

    /// Where to begin in a partition of the source.
    async fn starting_point(&self, partition: u32) -> Result<NextOffset, Failure> {
        let topic_partition = TopicPartition::new(&self.order.from, partition);
        let bounds = self.log.bounds(&topic_partition).await?;
        let Some(settled) = self.memory.complete_up_to(partition) else {
            if !self.memory.settled.is_empty() {
                // It was added since: nothing of it was ever relayed.
                return Ok(bounds.start);
            }
            return Ok(match self.order.start.unwrap_or_default() {
                Start::Earliest => bounds.start,
                Start::Latest => bounds.end,
                Start::Time(time_ms) => self.log.offset_for_time(&topic_partition, time_ms).await?,
            });
        };
        if settled > bounds.end {
            let what = format!(
                "gap: {} was relayed up to {settled}, but ends at {}; it was made anew",
                topic_partition, bounds.end
            );
            return Err(Failure::new(what, "relay it to a new topic"));
        }
        if settled < bounds.start && !self.order.accept_gap {
            let what = format!(
                "gap: {topic_partition} dropped its records {settled} to {} before they were relayed",
                bounds.start.0 - 1
            );
            let hint = "re-sync what they were about; --accept-gap goes on with what is left";
            return Err(Failure::new(what, hint));
        }
        Ok(settled.max(bounds.start))
    }

    /// Lets the headers tell how far it is, once nothing is written beyond that: then all that is
    /// written beyond what the headers tell has equal headers, and is found again.
    fn tell(&mut self) {
        let settled = &self.settled;
        self.memory.written.retain(|origin, _| {
            settled.get(&origin.partition).is_none_or(|next| !next.covers(origin.offset))
        });
        if self.memory.written.is_empty() {
            self.told.clone_from(&self.settled);
        } else {
            self.told.clone_from(&self.memory.settled);
        }
    }

    /// Writes the records, all or up to one that has no key.
    async fn write(
        &mut self,
        records: Vec<(u32, LogRecord)>,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let mut out = Vec::new();
        let mut settled = self.settled.clone();
        let mut report = self.report;
        let mut keyless = None;
        for (partition, record) in records {
            match self.outputs(partition, &record, &mut report) {
                Ok(outputs) => out.extend(outputs),
                Err(failure) => {
                    keyless = Some(failure);
                    break;
                }
            }
            report.read += 1;
            settled.insert(partition, record.offset.next());
        }
        if self.append(out, &mut report, stop).await? {
            self.settled = settled;
            self.report = report;
            self.tell();
        }
        keyless.map_or(Ok(()), Err)
    }

    /// What one record becomes on the target.
    fn outputs(
        &mut self,
        partition: u32,
        record: &LogRecord,
        report: &mut RelayReport,
    ) -> Result<Vec<(Origin, NewRecord)>, Failure> {
        if self.order.leave_out.contains(&(partition, record.offset)) {
            report.left_out += 1;
            return Ok(Vec::new());
        }
        let keyless = |why: String| {
            let position = TopicPartition::new(&self.order.from, partition).at(record.offset);
            Failure::new(
                format!("{position} has no record id: {why}"),
                format!(
                    "nothing is lost; leave it out with --leave-out {partition}@{}, or mend what \
                     sends it",
                    record.offset
                ),
            )
        };
        let Some(payload) = &record.payload else {
            return Err(keyless("its payload is null".to_owned()));
        };
        let mut kept = record.headers.clone();
        kept.retain(|(name, _)| !is_ours(name));
        let records = match self.keyer.key(&kept, payload) {
            Err(error) => return Err(keyless(format!("it cannot be decoded: {error}"))),
            Ok(Keyed::Nothing) => {
                report.other_links += 1;
                return Ok(Vec::new());
            }
            Ok(Keyed::Records(records)) => records.into_iter().map(|(_, record)| record).collect(),
            Ok(Keyed::EveryPartition(_, marker)) => {
                let copy = |partition| NewRecord { partition: Some(partition), ..marker.clone() };
                (0..self.partitions).map(copy).collect::<Vec<_>>()
            }
        };
        let parts = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let numbered = records.into_iter().zip(1..);
        Ok(numbered
            .map(|(mut new, part)| {
                let origin = Origin { partition, offset: record.offset, part, parts };
                new.headers.extend(headers(&self.order.from, origin, &self.told));
                new.timestamp_ms = Some(record.timestamp_ms);
                (origin, new)
            })
            .collect())
    }

    /// Appends what is not on the target yet, through outages; says whether all of it is there
    /// (a stop ends the waiting).
    async fn append(
        &mut self,
        out: Vec<(Origin, NewRecord)>,
        report: &mut RelayReport,
        stop: &mut Stop,
    ) -> Result<bool, Failure> {
        let total = u64::try_from(out.len()).unwrap_or(u64::MAX);
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut first = true;
        loop {
            let missing: Vec<&(Origin, NewRecord)> = out
                .iter()
                .filter(|(origin, _)| !self.memory.written.contains_key(origin))
                .collect();
            let places = missing.iter().map(|(origin, record)| (*origin, self.target(record)));
            if let Some(origin) = self.memory.overtaken(places) {
                return Err(overtaken(self.order, origin));
            }
            let missing: Vec<NewRecord> =
                missing.into_iter().map(|(_, record)| record.clone()).collect();
            if first {
                let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
                report.written += count;
                report.already_there += total - count;
                first = false;
            }
            if missing.is_empty() {
                return Ok(true);
            }
            let error = match self.log.append(&self.order.to, missing).await {
                Ok(_) => return Ok(true),
                Err(error) if error.retry => error,
                Err(error) => return Err(error.into()),
            };
            tracing::warn!(%error, "the target is not available, trying again");
            tokio::select! {
                () = sleep(backoff.next_wait(rand::random())) => {}
                () = stop.asked() => return Ok(false),
            }
            // Some of it may be there.
            self.remember_through_outage(stop).await?;
        }
    }

    /// The partition of the target that a record goes to.
    fn target(&self, record: &NewRecord) -> u32 {
        let key = record.key.as_deref().unwrap_or_default();
        record.partition.unwrap_or_else(|| partition_of(key, self.partitions))
    }

    async fn remember_through_outage(&mut self, stop: &mut Stop) -> Result<(), Failure> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let (from, to) = (&self.order.from, &self.order.to);
            match read_back(self.log, from, to, self.partitions).await {
                Ok(Remembered::Known(memory)) => {
                    self.memory.written = memory.written;
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(failure) if backoff.tries() >= 100 => return Err(failure),
                Err(_) => {}
            }
            tokio::select! {
                () = sleep(backoff.next_wait(rand::random())) => {}
                () = stop.asked() => return Ok(()),
            }
        }
    }

    /// Whether every partition is relayed up to where it ended when the relay began.
    async fn at_the_end(&self) -> Result<bool, Failure> {
        for (partition, end) in &self.ends {
            let settled = self.settled.get(partition).copied().unwrap_or(NextOffset::ZERO);
            if settled >= *end {
                continue;
            }
            // The last offsets may hold no record (transactions).
            let topic_partition = TopicPartition::new(&self.order.from, *partition);
            let next = self.log.read_at(&topic_partition, settled.offset()).await?;
            if next.is_some_and(|record| end.covers(record.offset)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn overtaken(order: &RelayOrder, origin: Origin) -> Failure {
    let position = TopicPartition::new(&order.from, origin.partition).at(origin.offset);
    Failure::new(
        format!(
            "{position} is missing on {} although a later record of its partition is there: the log \
             lost an append in the middle",
            order.to
        ),
        "relay to a new topic; on this one the order would not be kept",
    )
}
