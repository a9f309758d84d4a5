//! A folder where the built program is run as a person runs it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Settings of a profile that goes from the embedded log to a SQLite file. `DEFINITIONS` becomes
/// the folder with the definitions of the repository.
pub fn settings(entities: &str, rest: &str) -> String {
    format!(
        r#"
[log]
kind = "embedded"
dir = "log"

[destination.file]
kind = "sqlite"
path = "crm.sqlite"

[[profile]]
id = "crm"
name = "CRM"
destination = "file"
organization = "contoso"
entities = {entities}
definitions = "DEFINITIONS"

{rest}"#
    )
}

/// What a command answered.
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A folder with a settings file, where commands are run.
pub struct Place(TempDir);

impl Place {
    pub fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let definitions = concat!(env!("CARGO_MANIFEST_DIR"), "/definitions");
        let text = settings.replace("DEFINITIONS", definitions);
        std::fs::write(folder.path().join("keepstep.toml"), text).unwrap();
        Self(folder)
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepstep"));
        command.current_dir(self.folder()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Answer {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that does not read its input closes it; that is no fault.
        let _unread = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap().into()
    }
}
