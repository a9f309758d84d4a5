//! `keepstep check`: tries everything that the settings name, and reports every problem.

use std::path::Path;

use super::load;
use super::output::Output;
use super::text::counted;
use crate::app::check::{Finding, Section, check};
use crate::app::failure::{Exit, Failure};

/// Runs the command.
pub(super) async fn run(settings_path: &Path, output: &mut Output) -> Result<(), Failure> {
    let (settings, mut contents) = load(settings_path)?;
    let profiles = counted(u64::try_from(settings.profiles.len()).unwrap_or(u64::MAX), "profile");
    output.line(&format!("settings ({})", settings_path.display()))?;
    output.line(&format!("  ok       {profiles}, every definition file read"))?;
    output.flush()?;
    if settings.profiles.is_empty() {
        let hint = "write a [[profile]]; examples/keepstep.toml has one";
        return Err(Failure::usage("there is no profile to check", hint));
    }
    let sections = check(&settings, &mut contents).await;
    let mut problems = 0;
    for section in &sections {
        problems += print(section, output)?;
    }
    if problems == 0 {
        output.line("\nall is well; next: keepstep run")?;
        return Ok(());
    }
    output.line(&format!("\n{}", counted(problems, "problem")))?;
    Err(Failure::silent(Exit::Failed))
}

/// Prints a section and counts its problems.
fn print(section: &Section, output: &mut Output) -> Result<u64, Failure> {
    output.line(&section.heading)?;
    let mut problems = 0;
    for finding in &section.findings {
        match finding {
            Finding::Fine(what) => output.line(&format!("  ok       {what}"))?,
            Finding::Advice(what, hint) => {
                output.line(&format!("  ADVICE   {what}"))?;
                output.line(&format!("           hint: {hint}"))?;
            }
            Finding::Problem(what, hint) => {
                problems += 1;
                output.line(&format!("  PROBLEM  {what}"))?;
                if !hint.is_empty() {
                    output.line(&format!("           hint: {hint}"))?;
                }
            }
        }
    }
    Ok(problems)
}
