//! One process at a time makes the list of a file.
//!
//! A lock of the operating system on a file beside it: it goes with the process, however that ends,
//! so another one takes over and no stale lock is ever left. Readers need no lock.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::ListError;

/// Held as long as it lives.
#[derive(Debug)]
pub struct CompactorLock {
    _file: File,
}

impl CompactorLock {
    /// Takes the lock beside a list; `None` if another process has it.
    ///
    /// # Errors
    /// If the lock file cannot be made or locked.
    pub fn try_take(list: &Path) -> Result<Option<Self>, ListError> {
        let path = lock_file(list);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(|error| cannot(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot(&path, &error)),
        }
    }
}

fn lock_file(list: &Path) -> PathBuf {
    let mut name = OsString::from(list.as_os_str());
    name.push(".lock");
    PathBuf::from(name)
}

fn cannot(path: &Path, error: &std::io::Error) -> ListError {
    ListError {
        retry: true,
        what: format!("locking {}", path.display()),
        code: format!("{:?}", error.kind()),
        hint: "This process needs the right to write that folder; grant it, or write another path \
               in [failed_list]"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("failed.sqlite");
        let first = CompactorLock::try_take(&list).unwrap();
        assert!(first.is_some());
        assert!(CompactorLock::try_take(&list).unwrap().is_none());
        drop(first);
        assert!(CompactorLock::try_take(&list).unwrap().is_some());
        let nowhere = CompactorLock::try_take(&folder.path().join("no/failed.sqlite")).unwrap_err();
        assert!(nowhere.hint.contains("[failed_list]"));
    }
}
