//! The demo's folder: what lies in it, whose demo it is, and what goes when it starts anew.
//!
//! | file | what it is |
//! |---|---|
//! | `demo.json` | seed, size and generator of the demo that was begun here |
//! | `keepstep.toml`, `definitions/` | settings with which every other command works on this folder |
//! | `log/` | the embedded log |
//! | `crm.sqlite` | the database |
//!
//! Must never remove anything that a demo did not make, nor anything at all without `--fresh`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DemoOptions;
use super::organisation::GENERATOR_VERSION;
use super::shipped::DOCUMENTS;
use crate::app::failure::Failure;

/// Name of the file that says whose demo it is.
const DEMO_FILE: &str = "demo.json";
/// Settings of the demo's pipeline.
const SETTINGS: &str = include_str!("keepstep.toml");
/// Longest file that may say whose demo it is, in bytes.
const LONGEST_DEMO_FILE: u64 = 4_096;

/// Whose demo a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    generator: u32,
    seed: u64,
    changes: u64,
}

/// Whether there was a demo before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// No: it begins.
    New,
    /// Yes: it goes on.
    GoesOn,
}

/// The demo's folder.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
}

impl Place {
    /// A folder, which need not be there yet.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings file.
    pub(super) fn settings(&self) -> PathBuf {
        self.folder.join("keepstep.toml")
    }

    /// The folder of the log.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("crm.sqlite")
    }

    /// Bytes of the database.
    pub(super) fn database_bytes(&self) -> u64 {
        bytes(&self.database()) + bytes(&self.folder.join("crm.sqlite-wal"))
    }

    /// Bytes of the log.
    pub(super) fn log_bytes(&self) -> u64 {
        let entries = fs::read_dir(self.log()).into_iter().flatten().flatten();
        entries.map(|entry| bytes(&entry.path())).sum()
    }

    /// Whether a demo was begun here.
    pub(super) fn is_taken(&self) -> bool {
        self.folder.join(DEMO_FILE).exists()
    }

    /// Makes the folder ready for this demo, or finds that it goes on. A fresh one removes what was
    /// begun here; nobody may be at work in it then.
    ///
    /// # Errors
    /// If the folder holds another demo or something else, or cannot be written.
    pub(super) fn prepare(&self, options: &DemoOptions) -> Result<Beginning, Failure> {
        let wanted =
            Identity { generator: GENERATOR_VERSION, seed: options.seed, changes: options.changes };
        let beginning = if !self.is_taken() {
            self.refuse_foreign()?;
            Beginning::New
        } else if options.fresh {
            self.clear()?;
            Beginning::New
        } else {
            match self.found()? {
                found if found == wanted => Beginning::GoesOn,
                found => return Err(self.another(found)),
            }
        };
        self.write(&wanted)?;
        Ok(beginning)
    }

    /// Removes what a demo made, and leaves the file by which the folder is known as a demo's.
    fn clear(&self) -> Result<(), Failure> {
        let files = ["crm.sqlite", "crm.sqlite-wal", "crm.sqlite-shm", "keepstep.toml"];
        let done = |result: std::io::Result<()>| match result {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.cannot("clear", &error)),
            _ => Ok(()),
        };
        for file in files {
            done(fs::remove_file(self.folder.join(file)))?;
        }
        done(fs::remove_dir_all(self.log()))?;
        for (name, _) in DOCUMENTS {
            done(fs::remove_file(self.folder.join("definitions").join(name)))?;
        }
        Ok(())
    }

    fn found(&self) -> Result<Identity, Failure> {
        let path = self.folder.join(DEMO_FILE);
        let unreadable = |what: &str| {
            let hint = "start anew with --fresh, or name another folder with --dir";
            Failure::usage(format!("{} {what}", path.display()), hint)
        };
        let length = fs::metadata(&path).map_err(|error| self.cannot("read", &error))?.len();
        if length > LONGEST_DEMO_FILE {
            return Err(unreadable("is too long for what a demo writes"));
        }
        let text = fs::read(&path).map_err(|error| self.cannot("read", &error))?;
        let found = serde_json::from_slice(&text);
        found.map_err(|_| unreadable("does not say which demo this is"))
    }

    fn another(&self, found: Identity) -> Failure {
        let Identity { generator, seed, changes } = found;
        let folder = self.folder.display();
        if generator != GENERATOR_VERSION {
            let what = format!("{folder} holds a demo of another version of keepstep");
            return Failure::usage(
                what,
                "start anew with --fresh, or name another folder with --dir",
            );
        }
        Failure::usage(
            format!("{folder} holds another demo: --seed {seed} --changes {changes}"),
            format!(
                "go on with it by `keepstep demo --seed {seed} --changes {changes} --dir {folder}`, \
                 start anew with --fresh, or name another folder with --dir"
            ),
        )
    }

    /// A folder with anything in it that is no demo's is left alone.
    fn refuse_foreign(&self) -> Result<(), Failure> {
        match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.cannot("read", &error)),
            Ok(mut entries) => match entries.next() {
                None => Ok(()),
                Some(_) => Err(Failure::usage(
                    format!("{} is not empty and holds no demo", self.folder.display()),
                    "name an empty or new folder with --dir",
                )),
            },
        }
    }

    fn write(&self, identity: &Identity) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| self.cannot("write", &error);
        fs::create_dir_all(self.folder.join("definitions")).map_err(cannot)?;
        // First: from then on the folder is known as a demo's.
        let text = serde_json::to_string(identity).unwrap_or_default();
        replace(&self.folder.join(DEMO_FILE), &text).map_err(cannot)?;
        for (name, document) in DOCUMENTS {
            replace(&self.folder.join("definitions").join(name), document).map_err(cannot)?;
        }
        replace(&self.settings(), SETTINGS).map_err(cannot)
    }

    fn cannot(&self, verb: &str, error: &std::io::Error) -> Failure {
        let what = format!("cannot {verb} {}: {}", self.folder.display(), error.kind());
        Failure::new(what, "give this user the right to it, or name another folder with --dir")
    }
}

fn bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Writes a file whole or not at all; one that says the same already stays.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(folder: &Path, seed: u64) -> DemoOptions {
        DemoOptions { changes: 1_000, folder: folder.to_owned(), seed, rate: None, fresh: false }
    }

    #[test]
    fn a_folder_belongs_to_one_demo() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("demo");
        let place = Place::new(&folder);
        assert_eq!(place.prepare(&options(&folder, 1)).unwrap(), Beginning::New);
        assert_eq!(place.prepare(&options(&folder, 1)).unwrap(), Beginning::GoesOn);
        let refused = place.prepare(&options(&folder, 2)).unwrap_err();
        assert!(refused.what.contains("--seed 1 --changes 1000"), "{refused}");
        assert!(refused.hint.contains("--fresh"), "{refused}");
        // A fresh one removes what a demo made, and nothing else.
        let notes = folder.join("notes.txt");
        fs::write(&notes, "mine").unwrap();
        fs::write(place.database(), "old").unwrap();
        let fresh = DemoOptions { fresh: true, ..options(&folder, 2) };
        assert_eq!(place.prepare(&fresh).unwrap(), Beginning::New);
        assert!(notes.exists() && !place.database().exists());
        assert_eq!(place.prepare(&options(&folder, 2)).unwrap(), Beginning::GoesOn);
    }

    #[test]
    fn what_is_no_demo_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("thesis.txt");
        fs::write(&file, "years of work").unwrap();
        let place = Place::new(scratch.path());
        assert!(place.prepare(&options(scratch.path(), 1)).is_err());
        assert!(!place.is_taken());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);

        let fresh = DemoOptions { fresh: true, ..options(scratch.path(), 1) };
        assert!(place.prepare(&fresh).is_err(), "not even a fresh one begins here");
        fs::write(scratch.path().join(DEMO_FILE), "{").unwrap();
        assert!(place.prepare(&options(scratch.path(), 1)).unwrap_err().hint.contains("--fresh"));
        assert_eq!(place.prepare(&fresh).unwrap(), Beginning::New);
        assert!(file.exists());
    }
}
