//! One consuming process at a time, and one opening process at a time.
//!
//! Locks of the operating system on files beside the log: they go with the process, however that
//! ends, so no stale lock is ever left. The files stay; that of the consumer holds its number.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::log::LogError;
use crate::log::embedded::limits::refusal;

/// Held by the consuming process.
const CONSUMER_FILE: &str = "consumer.lock";
/// Held while a process opens the log.
const OPENING_FILE: &str = "opening.lock";
/// Longest wait for others that open the log.
const LONGEST_OPENING: Duration = Duration::from_secs(10);
/// Pause between looks at whether they are done.
const OPENING_PAUSE: Duration = Duration::from_millis(10);

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct ConsumerLock {
    _file: File,
}

impl ConsumerLock {
    /// Takes the lock of the log in `folder`.
    ///
    /// # Errors
    /// If another process has it, or the file cannot be made.
    pub(super) fn take(folder: &Path) -> Result<Self, LogError> {
        let path = folder.join(CONSUMER_FILE);
        let what = || format!("opening the log in {} for consuming", folder.display());
        let mut file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {
                // Only a help for whoever is refused: the lock holds without it.
                let noted = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                if let Err(error) = noted {
                    tracing::debug!(kind = ?error.kind(), "the lock file takes no process number");
                }
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&mut file);
                let hint = format!(
                    "{owner} consumes this log and holds {}. Stop it, or open the log for \
                     appending only; do not delete the file, the lock ends with the process",
                    path.display()
                );
                Err(refusal(what(), "LOG_IN_USE", hint))
            }
            Err(TryLockError::Error(error)) => Err(cannot(&path, &error)),
        }
    }
}

/// Waits until no other process is opening the log in `folder`; holds others back while the answer
/// lives. Blocks.
///
/// # Errors
/// If that takes longer than any opening should, or the file cannot be made.
pub(super) fn wait_for_turn(folder: &Path) -> Result<File, LogError> {
    let path = folder.join(OPENING_FILE);
    let file = open(&path)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < LONGEST_OPENING => {
                #[expect(clippy::disallowed_methods, reason = "logs are opened off the workers")]
                std::thread::sleep(OPENING_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LogError {
                    retry: true,
                    what: format!("opening the log in {}", folder.display()),
                    code: "OPENING".to_owned(),
                    hint: format!("Another process holds {} for long; try again", path.display()),
                });
            }
            Err(TryLockError::Error(error)) => return Err(cannot(&path, &error)),
        }
    }
}

fn open(path: &Path) -> Result<File, LogError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(|error| cannot(path, &error))
}

fn cannot(path: &Path, error: &std::io::Error) -> LogError {
    let hint = "This process needs the right to write it; choose another folder, or grant it";
    refusal(format!("locking {}", path.display()), &format!("{:?}", error.kind()), hint)
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(20).read_to_string(&mut text);
    match text.parse::<u32>() {
        Ok(process) if read.is_ok() => format!("Process {process}"),
        _ => "Another process".to_owned(),
    }
}
