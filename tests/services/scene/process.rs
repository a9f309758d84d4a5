//! `keepstep run` processes, to be killed and frozen in the middle of whatever they do.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Lines of a process's output that are shown when it ended by itself.
const SHOWN: usize = 30;

/// A `keepstep run` process.
pub struct Process {
    child: Child,
    output: Option<PathBuf>,
}

impl Process {
    /// Starts one whose output is the test's.
    pub fn start(settings: &Path) -> Self {
        Self::spawn(settings, None, &[])
    }

    /// Starts one whose output is added to a file.
    pub fn start_into(settings: &Path, output: PathBuf) -> Self {
        Self::spawn(settings, Some(output), &[])
    }

    /// The same with variables in its environment.
    pub fn start_with(settings: &Path, output: PathBuf, variables: &[(&str, &str)]) -> Self {
        Self::spawn(settings, Some(output), variables)
    }

    fn spawn(settings: &Path, output: Option<PathBuf>, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepstep"));
        command.args(["run", "--config"]).arg(settings).stdin(Stdio::null());
        command.envs(variables.iter().copied());
        if let Some(path) = &output {
            let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            command.stdout(file.try_clone().unwrap()).stderr(file);
        }
        Self { child: command.spawn().expect("keepstep starts"), output }
    }

    /// The file that its output goes to.
    pub fn output(&self) -> PathBuf {
        self.output.clone().expect("its output goes to a file")
    }

    /// What it said so far, where that goes to a file.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.output()).unwrap()).into_owned()
    }

    /// SIGKILL, in the middle of whatever it does. It ends a frozen process as well.
    pub fn kill(&mut self) {
        self.child.kill().expect("it ran");
        self.child.wait().expect("it ends");
    }

    /// SIGSTOP: it stands still at whatever statement it is.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().expect("kill is there");
        assert!(status.success(), "kill {signal} {pid}: {status}");
    }

    /// A process that ended by itself would be waited for in vain.
    pub fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().expect("it ran") {
            let said = if self.output.is_some() { self.said() } else { String::new() };
            let last: Vec<&str> = said.lines().rev().take(SHOWN).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            panic!("keepstep ended by itself with {status}; it said:\n{}", last.join("\n"));
        }
    }

    /// Asks it to end, and sees that it ends well.
    pub fn stop(mut self) {
        self.signal("-TERM");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "keepstep ended with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already, or the test has failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
