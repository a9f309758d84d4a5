//! The command line: one file per command, one way to end.
//!
//! Answers go to standard output, progress and log lines to standard error. Errors are two lines,
//! what happened and what to do next; the exit codes stand in `keepstep --help`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use self::adopt::AdoptArguments;
use self::define::DefineArguments;
use self::demo::DemoArguments;
use self::failed::FailedCommand;
use self::inspect::InspectArguments;
use self::output::Output;
use self::produce::ProduceArguments;
use self::relay::RelayArguments;
use self::resume::ResumeArguments;
use self::resync::ResyncArguments;
use self::schema::SchemaArguments;
use self::status::StatusArguments;
use super::connect::{LogRole, OpenLog};
use super::contents::Contents;
use super::settings::Settings;
use crate::app::failure::{Exit, Failure};
use crate::model::position::Topic;

mod adopt;
mod asked;
mod check;
mod define;
mod demo;
mod failed;
mod inspect;
mod output;
mod produce;
mod relay;
mod resume;
mod resync;
mod run;
mod schema;
mod shown;
mod status;
mod text;

/// How long what still runs beside a finished command may take to end.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Keeps a company's own SQL database in step with its CRM.
///
/// Change notifications on the topics of a Kafka-compatible log become rows in PostgreSQL or SQLite:
/// in order per record, exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "keepstep",
    version,
    after_help = "Exit codes: 0 done; 1 it failed, or a check found problems; 2 the command line or \
                  the settings are wrong; 130 ended before it could stop.\n\
                  First steps: write keepstep.toml (examples/keepstep.toml), then `keepstep check`, \
                  then `keepstep run`."
)]
struct Cli {
    /// The settings file.
    #[arg(long, global = true, value_name = "FILE", default_value = "keepstep.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy changes from the log to the databases, until stopped.
    Run,
    /// Try everything that the settings name, and report every problem.
    Check,
    Schema(SchemaArguments),
    Adopt(AdoptArguments),
    Define(DefineArguments),
    Produce(ProduceArguments),
    Inspect(InspectArguments),
    Relay(RelayArguments),
    #[command(subcommand)]
    Failed(FailedCommand),
    Resync(ResyncArguments),
    Resume(ResumeArguments),
    Status(StatusArguments),
    Demo(DemoArguments),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes. Nobody to tell means nothing to tell.
            let _unheard = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let what = format!("no threads to work with: {}", error.kind());
            return end(&Failure::new(what, "end other processes on this machine"));
        }
    };
    let mut output = Output::new();
    let outcome = runtime.block_on(dispatch(cli, &mut output));
    let outcome = outcome.and(output.flush());
    runtime.shutdown_timeout(LAST_WAIT);
    outcome.map_or_else(|failure| end(&failure), |()| ExitCode::SUCCESS)
}

async fn dispatch(cli: Cli, output: &mut Output) -> Result<(), Failure> {
    match cli.command {
        Command::Run => run::run(&cli.config).await,
        Command::Check => check::run(&cli.config, output).await,
        Command::Schema(arguments) => schema::run(arguments, &cli.config, output).await,
        Command::Adopt(arguments) => adopt::run(arguments, &cli.config, output).await,
        Command::Define(arguments) => define::run(arguments, &cli.config, output).await,
        Command::Produce(arguments) => produce::run(arguments, &cli.config, output).await,
        Command::Inspect(arguments) => inspect::run(arguments, &cli.config, output).await,
        Command::Relay(arguments) => relay::run(arguments, &cli.config, output).await,
        Command::Failed(command) => failed::run(command, &cli.config, output).await,
        Command::Resync(arguments) => resync::run(&arguments, &cli.config, output).await,
        Command::Resume(arguments) => resume::run(&arguments, &cli.config, output).await,
        Command::Status(arguments) => status::run(&arguments, &cli.config, output).await,
        Command::Demo(arguments) => demo::run(arguments).await,
    }
}

/// Says what went wrong and gives the exit code.
fn end(failure: &Failure) -> ExitCode {
    if !failure.what.is_empty() {
        #[expect(clippy::print_stderr, reason = "the last word of a command")]
        {
            eprintln!("{failure}");
        }
    }
    failure.exit.into()
}

/// Reads the settings and the files that they name.
fn load(path: &Path) -> Result<(Settings, Contents), Failure> {
    let settings = Settings::load(path)?;
    let contents = Contents::load(&settings, path)?;
    Ok((settings, contents))
}

/// Reads the settings, the files that they name, and the topics with definitions.
async fn load_whole(path: &Path) -> Result<(Settings, Contents), Failure> {
    let (settings, mut contents) = load(path)?;
    if settings.profiles.iter().any(|profile| profile.metadata_topic.is_some()) {
        let log = OpenLog::open(&settings.log, LogRole::Appends).await?;
        contents.complete(&settings, &log).await?;
    }
    Ok((settings, contents))
}

/// A topic from the command line.
fn topic_of(name: &str) -> Result<Topic, Failure> {
    if crate::app::settings::is_topic_name(name) {
        return Ok(Topic::new(name));
    }
    let hint = "write 1 to 249 letters, digits, dots, underscores and hyphens";
    Err(Failure::usage(format!("{name:?} is no name of a topic"), hint))
}
