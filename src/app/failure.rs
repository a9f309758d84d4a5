//! How a command ends badly: what happened, what to do next, and the exit code.

use std::fmt;
use std::process::ExitCode;

use crate::app::settings::mistake::Mistakes;
use crate::destination::{DestinationError, Trouble};
use crate::failed::ListError;
use crate::failed::rebuild::RebuildError;
use crate::log::LogError;

/// Exit codes, as `keepstep --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was tried and did not work, or a check found problems.
    Failed,
    /// The command line or the settings are wrong; nothing was tried.
    Usage,
    /// A second signal or the deadline ended it.
    Ended,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Ended => 130,
        })
    }
}

/// A command that ended badly. Prints as `error: …` and `hint: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, to what; empty if it is said already.
    pub what: String,
    /// What to do next; empty if `what` says it.
    pub hint: String,
    /// The exit code.
    pub exit: Exit,
}

impl Failure {
    /// It was tried and did not work.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), exit: Exit::Failed }
    }

    /// The command line or the settings are wrong.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), exit: Exit::Usage }
    }

    /// Everything that needs saying was printed already.
    pub fn silent(exit: Exit) -> Self {
        Self { what: String::new(), hint: String::new(), exit }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\nhint: {}", self.hint) }
    }
}

impl std::error::Error for Failure {}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::usage(mistakes.to_string(), "")
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::new(format!("{}: {}", error.what, error.code), error.hint)
    }
}

impl From<ListError> for Failure {
    fn from(error: ListError) -> Self {
        Self::new(format!("{}: {}", error.what, error.code), error.hint)
    }
}

impl From<RebuildError> for Failure {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::List(error) => error.into(),
            RebuildError::Destination(error) => error.into(),
            RebuildError::Fault => Self::new(error.to_string(), ""),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::new(format!("{}: {}", trouble.what, trouble.code), trouble.hint)
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Self {
        match error {
            DestinationError::Retry(trouble) => {
                Self { what: format!("not available now: {}", trouble.what), ..trouble.into() }
            }
            DestinationError::Fatal(trouble) => trouble.into(),
        }
    }
}

/// A reader of our output that went away is no failure of ours: the command ends quietly.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::silent(Exit::Failed);
        }
        Self::new(format!("the output cannot be written: {}", error.kind()), "")
    }
}
