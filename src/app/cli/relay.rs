//! `keepstep relay`: turns a topic without keys into a keyed one.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;

use super::output::{Output, spinner};
use super::text::{counted, parse_time};
use super::{load, topic_of};
use crate::app::connect::{LogRole, OpenLog};
use crate::app::failure::{Exit, Failure};
use crate::app::relay::{RelayOrder, RelayReport, relay};
use crate::app::shutdown::{Ending, Signals, run_until_stopped, stop_pair};
use crate::app::telemetry;
use crate::model::position::Offset;
use crate::model::profile::Start;

/// How long a relay may take to stop.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// Turn a topic whose keys are missing, or not the record id, into a keyed one.
///
/// Copies FROM to TO, one notification per record, with the record's id as key, and goes on until it
/// is stopped. Order: that of each partition of FROM; between its partitions that of the log's time,
/// as far as records are at hand. A crash writes nothing twice and leaves nothing out, as long as one
/// relay runs per FROM and TO: how far it came stands in headers on TO.
#[derive(Debug, Args)]
pub(super) struct RelayArguments {
    /// Topic to read.
    from: String,
    /// Topic to write; on Kafka it must be there.
    to: String,
    /// Where to begin if TO does not tell: `earliest`, `latest`, or a time (`2026-01-31T00:00:00Z`).
    #[arg(long = "from", value_name = "WHERE", value_parser = parse_start)]
    start: Option<Start>,
    /// End where FROM ends now, instead of waiting for more.
    #[arg(long)]
    until_end: bool,
    /// Leave out one notification that cannot be decoded. May be given several times.
    #[arg(long, value_name = "PARTITION@OFFSET", value_parser = parse_place)]
    leave_out: Vec<(u32, i64)>,
    /// Go on although FROM dropped records before they were relayed.
    #[arg(long)]
    accept_gap: bool,
}

fn parse_start(text: &str) -> Result<Start, String> {
    match text {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        time => parse_time(time)
            .map(Start::Time)
            .ok_or_else(|| "write earliest, latest, or a time (2026-01-31T00:00:00Z)".to_owned()),
    }
}

fn parse_place(text: &str) -> Result<(u32, i64), String> {
    let place = text.split_once('@').and_then(|(partition, offset)| {
        Some((partition.parse().ok()?, offset.parse::<i64>().ok().filter(|offset| *offset >= 0)?))
    });
    place.ok_or_else(|| "write a partition and an offset: 0@12".to_owned())
}

/// Runs the command.
pub(super) async fn run(
    arguments: RelayArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let order = RelayOrder {
        from: topic_of(&arguments.from)?,
        to: topic_of(&arguments.to)?,
        start: arguments.start,
        until_end: arguments.until_end,
        leave_out: arguments
            .leave_out
            .into_iter()
            .map(|(partition, offset)| (partition, Offset(offset)))
            .collect::<BTreeSet<_>>(),
        accept_gap: arguments.accept_gap,
    };
    let (settings, contents) = load(settings_path)?;
    telemetry::start(settings.telemetry);
    let signals = Signals::listen()?;
    let open = OpenLog::open(&settings.log, LogRole::Consumes).await?;
    let target = open.ensure_topic(&order.to).await?;
    let log = open.log();
    let source = log.describe(&order.from).await?.map_or(0, |source| source.partitions);
    output.line(&format!(
        "relaying {} ({}) to {} ({})",
        order.from,
        counted(u64::from(source), "partition"),
        order.to,
        counted(u64::from(target.partitions), "partition")
    ))?;
    if source > 1 {
        output.line(&format!(
            "order kept: that of each partition of {}; between partitions that of the log's time",
            order.from
        ))?;
    }
    output.flush()?;
    let progress = spinner("relayed");
    let (stopper, stop) = stop_pair();
    let work = relay(log.as_ref(), &order, contents.decoder, stop, |report: RelayReport| {
        progress.set_position(report.written);
    });
    let ending = run_until_stopped(signals, &stopper, DEADLINE, work).await;
    progress.finish_and_clear();
    match ending {
        Ending::Done(outcome) => report(outcome?, output),
        Ending::SecondSignal | Ending::Deadline => Err(Failure::silent(Exit::Ended)),
    }
}

fn report(report: RelayReport, output: &mut Output) -> Result<(), Failure> {
    output.line(&format!(
        "{} read, {} written",
        counted(report.read, "record"),
        counted(report.written, "notification")
    ))?;
    for (count, what) in [
        (report.already_there, "were there already, from before an interruption"),
        (report.left_out, "left out as asked"),
        (report.other_links, "left out: links of relationships that no definition knows"),
    ] {
        if count > 0 {
            output.line(&format!("  {} {what}", counted(count, "notification")))?;
        }
    }
    Ok(())
}
