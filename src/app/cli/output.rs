//! Where a command writes: answers to standard output, progress to standard error.

use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::failure::Failure;

/// Standard output, line by line.
#[derive(Debug)]
pub(super) struct Output {
    stdout: io::BufWriter<io::Stdout>,
}

impl Output {
    /// Standard output.
    pub(super) fn new() -> Self {
        Self { stdout: io::BufWriter::new(io::stdout()) }
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.stdout.write_all(line.as_bytes())?;
        self.stdout.write_all(b"\n")?;
        Ok(())
    }

    /// Where whole lines are written without a copy of each.
    pub(super) fn writer(&mut self) -> &mut impl io::Write {
        &mut self.stdout
    }

    /// Makes what was written visible.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.stdout.flush()?;
        Ok(())
    }
}

/// A line on the terminal that counts; nothing where standard error is no terminal.
pub(super) fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let template = format!("{{spinner}} {{human_pos}} {what}, {{per_sec}}{{msg}}");
    // The template is ours; if it were wrong, the default one counts as well.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
