//! `keepstep demo`: a believable CRM happens, keepstep carries it to a database, and the database is
//! compared with what happened, cell by cell.
//!
//! The [`organisation`] makes changes from a seed and knows what every cell must show in the end.
//! [`generation`] and [`production`] put them on an embedded log on disk, a pipeline as any other
//! carries them to SQLite ([`carriage`]), [`comparison`] judges. The two ends share nothing but the
//! entity definitions: no batch, no mapping, no destination.
//!
//! May be killed at any instant: the same command goes on where it ended. Must never touch a file
//! that a demo did not make ([`place`]).

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::HumanCount;

use self::carriage::{Carriage, Carried, Ended};
use self::comparison::{TableFinding, compare};
use self::organisation::Organisation;
use self::place::{Beginning, Place};
use self::progress::Waiting;
use self::report::Measured;
use super::failure::{Exit, Failure};
use super::shutdown::{Ending, Signals, Stop, run_until_stopped, stop_pair};

mod carriage;
mod comparison;
mod generation;
mod notification;
mod organisation;
mod place;
mod production;
mod progress;
mod report;
mod shipped;

#[cfg(test)]
mod organisation_test;

/// How long a stop may take.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// What the demo is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// Number of changes.
    pub changes: u64,
    /// Folder of the log and the database.
    pub folder: PathBuf,
    /// Seed of all chance.
    pub seed: u64,
    /// Changes per second; as fast as it goes without it.
    pub rate: Option<u64>,
    /// Whether a demo that was begun in the folder is removed.
    pub fresh: bool,
}

impl DemoOptions {
    /// Least and most changes: fewer make no CRM, more need more than 3 GB of memory for what is
    /// expected.
    pub const CHANGES: std::ops::RangeInclusive<u64> = 100..=2_000_000;
    /// Number of changes that nobody asked otherwise.
    pub const DEFAULT_CHANGES: u64 = 200_000;
    /// Least and most changes per second.
    pub const RATE: std::ops::RangeInclusive<u64> = 1..=1_000_000;
}

/// How the demo ended when nothing failed.
enum Outcome {
    /// The database was compared.
    Compared(u64, Vec<TableFinding>),
    /// It was stopped.
    Stopped(String),
}

/// Runs the demo.
///
/// # Errors
/// If the folder holds something else, the log or the database cannot be used, or the database does
/// not show what it must.
pub async fn run(options: DemoOptions) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let (stopper, stop) = stop_pair();
    let work = Box::pin(demonstrate(&options, stop));
    let outcome = match run_until_stopped(signals, &stopper, STOP_DEADLINE, work).await {
        Ending::Done(outcome) => outcome?,
        Ending::SecondSignal | Ending::Deadline => return Err(Failure::silent(Exit::Ended)),
    };
    let mut out = io::stdout();
    match outcome {
        Outcome::Stopped(how_far) => {
            writeln!(out, "\nstopped {how_far}; run the same command to go on")?;
            Ok(())
        }
        Outcome::Compared(changes, findings) => {
            report::findings(&mut out, &findings)?;
            let differs = findings.iter().any(|finding| finding.differences > 0);
            if differs {
                writeln!(
                    out,
                    "\n  If nobody changed the database by hand, please report this. A new one: --fresh"
                )?;
            }
            writeln!(out, "\n{}", report::verdict(changes, &findings))?;
            if differs { Err(Failure::silent(Exit::Failed)) } else { Ok(()) }
        }
    }
}

async fn demonstrate(options: &DemoOptions, stop: Stop) -> Result<Outcome, Failure> {
    let place = Place::new(&options.folder);
    if options.fresh && place.is_taken() {
        carriage::nobody_is_at_work(&place).await?;
    }
    let beginning = place.prepare(options)?;
    let carriage = Carriage::open(options, &place).await?;
    begin(&mut io::stdout(), options, beginning, carriage.produced())?;
    let (organisation, carried) = match carriage.run(stop.clone()).await? {
        Ended::Carried(organisation, carried) => (organisation, carried),
        Ended::Stopped { produced, written } => {
            let changes = options.changes;
            return Ok(Outcome::Stopped(format!(
                "at {} of {} changes, {} of them in the database",
                HumanCount(produced.min(changes)),
                HumanCount(changes),
                HumanCount(written.min(changes)),
            )));
        }
    };
    let mut out = io::stdout();
    let measured = measured(options, &place, &organisation, carried);
    report::done(&mut out, &measured, &place)?;
    report::commands(&mut out, place.folder(), &program())?;
    out.flush()?;
    let changes = organisation.said().changes();
    let waiting = Waiting::during("comparing every cell with what was said");
    let findings = compared(&place, organisation, stop).await;
    drop(waiting);
    match findings? {
        Some(findings) => Ok(Outcome::Compared(changes, findings)),
        None => Ok(Outcome::Stopped("before every cell was compared".to_owned())),
    }
}

/// Says what is going to happen.
fn begin(
    out: &mut impl Write,
    options: &DemoOptions,
    beginning: Beginning,
    produced: u64,
) -> io::Result<()> {
    let DemoOptions { changes, seed, folder, .. } = options;
    let (count, folder) = (HumanCount(*changes), folder.display());
    match beginning {
        Beginning::New => writeln!(
            out,
            "{count} changes of a CRM (seed {seed}), over a log on disk into SQLite, in {folder}\n"
        ),
        Beginning::GoesOn => writeln!(
            out,
            "Going on with the demo in {folder}: {} of {count} changes (seed {seed}) are on the \
             log; --fresh starts anew\n",
            HumanCount(produced.min(*changes))
        ),
    }
}

fn measured(
    options: &DemoOptions,
    place: &Place,
    organisation: &Organisation,
    carried: Carried,
) -> Measured {
    Measured {
        said: organisation.said(),
        carried,
        rate: options.rate,
        database_bytes: place.database_bytes(),
        log_bytes: place.log_bytes(),
    }
}

/// How this program is called, from the folder in which it was.
fn program() -> String {
    let Ok(program) = std::env::current_exe() else {
        return "keepstep".to_owned();
    };
    let here = std::env::current_dir().unwrap_or_default();
    program.strip_prefix(&here).unwrap_or(&program).display().to_string()
}

/// Compares the database with what is expected; `None` if it was stopped.
async fn compared(
    place: &Place,
    organisation: Box<Organisation>,
    mut stop: Stop,
) -> Result<Option<Vec<TableFinding>>, Failure> {
    let database = place.database();
    let stopped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stopped);
    let path = database.clone();
    let mut comparing = tokio::task::spawn_blocking(move || compare(&path, &organisation, &seen));
    let ended = tokio::select! {
        ended = &mut comparing => ended,
        () = stop.asked() => {
            stopped.store(true, Ordering::Relaxed);
            comparing.await
        }
    };
    match ended {
        Ok(Ok(findings)) => Ok(findings),
        Ok(Err(error)) => Err(Failure::new(
            format!("{} cannot be read: {error}", database.display()),
            "if it was damaged, start anew with --fresh",
        )),
        Err(_) => {
            Err(Failure::new("the comparison failed", "report it: it is a fault of keepstep"))
        }
    }
}
