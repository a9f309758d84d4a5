//! Running one test of this binary again, in a process of its own: with another environment, or to
//! be killed, or to have its memory measured.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The variable that tells a process what it is to be.
const ROLE: &str = "KEEPSTEP_TEST_ROLE";

/// What this process is to be; `None` for the one that the tests run in.
#[expect(clippy::disallowed_methods, reason = "the process that started this one tells its role")]
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// A process that runs one test in a role. Killed when dropped.
pub struct Again {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Again {
    /// Starts `test`, by its full name, in `role`.
    pub fn start(test: &str, role: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for a line that begins with `word`; answers the rest of it.
    pub async fn says(&mut self, word: &str) -> String {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
        panic!("the process ended before it said {word}");
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end; demands that exactly one test ran and passed.
    pub async fn passes(mut self) {
        self.says("test result: ok. 1 passed").await;
        assert!(self.child.wait().await.unwrap().success());
    }
}

/// Says a line to the process that started this one. A test harness's own output may precede it on
/// the line, so it begins a new one.
#[expect(clippy::print_stdout, reason = "this is how the process that started this one hears it")]
pub fn say(line: &str) {
    println!("\n{line}");
}
