//! Turns a topic whose keys are missing, or not the record id, into a keyed one.
//!
//! **Order.** Records of one partition of the source are written in the order in which they lie
//! there. Records of several partitions are put in the order of their time on the log, as far as
//! they are at hand; the source promises no order between partitions, so neither can the relay.
//!
//! **Once.** What is written carries two headers ([`header`]): where it came from, and how far the
//! relay was. They are the relay's only memory; at a start it is read back from the end of the
//! target ([`memory`]). So a crash at any instant writes nothing twice and leaves nothing out, as
//! long as one relay runs per source and target, and the target keeps its last records (it is not
//! compacted). The group only keeps a second relay out; a relay that was frozen while another one
//! took over may write the batch that it had in hand a second time.
//!
//! **Loud.** A notification that cannot be decoded has no key: the relay stops before it and names
//! it. Records that the source dropped before they were relayed are an error, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::course::Course;
use self::intake::Intake;
use super::failure::Failure;
use super::keying::Keyer;
use super::shutdown::Stop;
use crate::codec::DecoderSettings;
use crate::log::{FeedLimits, Log};
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};
use crate::model::profile::Start;

mod course;
mod header;
mod intake;
mod memory;
mod merge;

/// Bytes that the log may read ahead.
const READ_AHEAD_BYTES: usize = 32 * 1024 * 1024;

/// What to relay.
#[derive(Clone, Debug)]
pub struct RelayOrder {
    /// The topic to read.
    pub from: Topic,
    /// The topic to write; it must be there.
    pub to: Topic,
    /// Where to begin if the target does not tell; `None` begins at the earliest, and only if the
    /// target has never held a record.
    pub start: Option<Start>,
    /// Whether to end where the source ended when the relay began.
    pub until_end: bool,
    /// Notifications to leave out: partition and offset.
    pub leave_out: BTreeSet<(u32, Offset)>,
    /// Whether to go on where records were dropped before they were relayed.
    pub accept_gap: bool,
}

/// What a relay has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayReport {
    /// Records read.
    pub read: u64,
    /// Notifications written.
    pub written: u64,
    /// Notifications that were on the target already, from before a crash.
    pub already_there: u64,
    /// Records left out because the order says so.
    pub left_out: u64,
    /// Records left out because they are links that no definition knows.
    pub other_links: u64,
}

/// Relays until a stop is asked for or, if the order says so, the end is reached.
///
/// # Errors
/// If something needs a person: see the module. Outages are waited for.
pub async fn relay(
    log: &dyn Log,
    order: &RelayOrder,
    decoder: Arc<DecoderSettings>,
    mut stop: Stop,
    mut on_progress: impl FnMut(RelayReport),
) -> Result<RelayReport, Failure> {
    let partitions = check(log, order).await?;
    let ends = ends(log, &order.from).await?;
    let mut course = Course::new(log, order, partitions, Keyer::new(decoder), ends);
    let group = format!("keepstep.relay.{}.{}", order.from, order.to);
    let limits = FeedLimits { bytes: READ_AHEAD_BYTES };
    let member = log.join(&group, std::slice::from_ref(&order.from), limits).await?;
    let mut intake = Intake::new(order.from.clone(), member);
    let outcome = course.consume(&mut intake, &mut stop, &mut on_progress).await;
    let left = intake.leave().await;
    outcome?;
    left?;
    Ok(course.report())
}

/// Number of partitions of the target, once both topics are fit for a relay.
async fn check(log: &dyn Log, order: &RelayOrder) -> Result<u32, Failure> {
    let (from, to) = (&order.from, &order.to);
    if from == to {
        return Err(Failure::usage(
            "the source and the target are one topic",
            "name another topic to write to",
        ));
    }
    if log.describe(from).await?.is_none() {
        let hint = "check its name, and the settings of [log]";
        return Err(Failure::new(format!("there is no topic {from}"), hint));
    }
    let target = log.describe(to).await?.ok_or_else(|| {
        let hint = "create it, with as many partitions as it will ever need";
        Failure::new(format!("there is no topic {to}"), hint)
    })?;
    if target.compacted == Some(true) {
        let what = format!("{to} is compacted, so it would forget how far the relay had come");
        return Err(Failure::new(what, "write to a topic with retention by time or size"));
    }
    Ok(target.partitions)
}

async fn ends(log: &dyn Log, topic: &Topic) -> Result<BTreeMap<u32, NextOffset>, Failure> {
    let partitions = log.describe(topic).await?.map_or(0, |description| description.partitions);
    let mut ends = BTreeMap::new();
    for partition in 0..partitions {
        ends.insert(partition, log.bounds(&TopicPartition::new(topic, partition)).await?.end);
    }
    Ok(ends)
}
