//! One consuming process at a time.
//!
//! A lock of the operating system on a file beside the log: it goes with the process, however that
//! ends, so no stale lock is ever left. The file itself stays and holds the last owner's number.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use crate::log::LogError;
use crate::log::embedded::limits::refusal;

/// Name of the file.
pub(super) const LOCK_FILE: &str = "consumer.lock";

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
        let path = folder.join(LOCK_FILE);
        let what = || format!("opening the log in {} for consuming", folder.display());
        let cannot = |error: std::io::Error| {
            let hint = format!("This process needs the right to write {}", path.display());
            refusal(what(), &format!("{:?}", error.kind()), hint)
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(cannot)?;
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
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(20).read_to_string(&mut text);
    match text.parse::<u32>() {
        Ok(process) if read.is_ok() => format!("Process {process}"),
        _ => "Another process".to_owned(),
    }
}
