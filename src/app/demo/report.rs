//! What a person wants to know at the end.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};

use super::comparison::{FIRST_DIFFERENCES, TableFinding};
use super::organisation::Said;
use super::place::Place;
use super::production::LIVE_PER_SECOND;
use crate::pipeline::LatencyHistogram;
use crate::pipeline::status::Totals;

/// What was measured.
pub(super) struct Measured {
    /// What the organisation said, from the very beginning.
    pub(super) said: Said,
    /// What this run wrote.
    pub(super) totals: Totals,
    /// How long this run wrote.
    pub(super) took: Duration,
    /// Times from append to commit of what was produced as fast as it went, or at the given rate.
    pub(super) backlog: LatencyHistogram,
    /// The same of the live changes.
    pub(super) live: LatencyHistogram,
    /// The rate that was asked for.
    pub(super) rate: Option<u64>,
    /// Bytes of the database.
    pub(super) database_bytes: u64,
    /// Bytes of the log.
    pub(super) log_bytes: u64,
}

/// Writes what was done, and how fast.
///
/// # Errors
/// If nobody reads any more.
pub(super) fn done(out: &mut impl Write, measured: &Measured, place: &Place) -> io::Result<()> {
    let Measured { said, totals, took, .. } = measured;
    writeln!(out)?;
    let loaded = format!(
        "{}: {} loaded, {} created, {} deleted, {} of these came back",
        HumanCount(said.changes()),
        HumanCount(said.snapshots),
        HumanCount(said.creates),
        HumanCount(said.deletes),
        HumanCount(said.again),
    );
    line(out, "changes", &loaded)?;
    let updated = format!(
        "{} updates of some fields, {} full images, {} came again, late",
        HumanCount(said.patches),
        HumanCount(said.images),
        HumanCount(said.late),
    );
    line(out, "", &updated)?;
    if totals.changes > 0 {
        let ms = took.as_millis().max(1);
        let per_second = u128::from(totals.changes) * 1_000 / ms;
        line(
            out,
            "rate",
            &format!(
                "{} changes in {:.1} s, {} a second, in {} batches",
                HumanCount(totals.changes),
                took.as_secs_f64(),
                HumanCount(u64::try_from(per_second).unwrap_or(u64::MAX)),
                HumanCount(totals.batches),
            ),
        )?;
    }
    latencies(out, measured)?;
    let (database, log) = (HumanBytes(measured.database_bytes), HumanBytes(measured.log_bytes));
    line(out, "database", &format!("{} ({database})", place.database().display()))?;
    line(out, "log", &format!("{} ({log})", place.log().display()))
}

fn latencies(out: &mut impl Write, measured: &Measured) -> io::Result<()> {
    let live = format!(
        "{} changes live, {}/s",
        HumanCount(measured.live.total()),
        HumanCount(LIVE_PER_SECOND)
    );
    let backlog = match measured.rate {
        Some(rate) => format!("at {}/s", HumanCount(rate)),
        None => "the backlog, produced as fast as it goes".to_owned(),
    };
    let mut label = "append to commit";
    for (histogram, what) in [(&measured.live, live), (&measured.backlog, backlog)] {
        if let (Some(half), Some(most)) = (histogram.percentile_ms(50), histogram.percentile_ms(99))
        {
            let (half, most) = (duration(half), duration(most));
            line(out, label, &format!("p50 {half}, p99 {most} ({what})"))?;
            label = "";
        }
    }
    Ok(())
}

/// A time as people say it.
fn duration(ms: u64) -> String {
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

fn line(out: &mut impl Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {label:<17} {text}")
}

/// Writes three commands to look at the database with.
///
/// # Errors
/// If nobody reads any more.
pub(super) fn commands(out: &mut impl Write, folder: &Path, program: &str) -> io::Result<()> {
    let database = shell_word(&folder.join("crm.sqlite").display().to_string());
    let settings = shell_word(&folder.join("keepstep.toml").display().to_string());
    writeln!(out, "\n  Look at it:")?;
    writeln!(
        out,
        "    sqlite3 -column {database} \"SELECT name, address1_city, revenue FROM account LIMIT 10\""
    )?;
    writeln!(
        out,
        "    sqlite3 -column {database} \"SELECT count(*), a.name FROM contact c JOIN account a ON \
         a.Id = c.parentcustomerid GROUP BY 2 ORDER BY 1 DESC LIMIT 10\""
    )?;
    writeln!(
        out,
        "    {} inspect --config {settings} demo.rivermark.contact --last 3 --show-content",
        shell_word(program)
    )
}

/// A word as a shell reads it.
fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Writes what the comparison found, table by table.
///
/// # Errors
/// If nobody reads any more.
pub(super) fn findings(out: &mut impl Write, findings: &[TableFinding]) -> io::Result<()> {
    writeln!(out, "\n  {:<24} {:>9} {:>8} {:>11}", "table", "rows", "columns", "cells")?;
    for finding in findings {
        let verdict = match finding.differences {
            0 => "ok".to_owned(),
            1 => "1 difference".to_owned(),
            count => format!("{} differences", HumanCount(count)),
        };
        writeln!(
            out,
            "  {:<24} {:>9} {:>8} {:>11}  {verdict}",
            finding.table,
            HumanCount(finding.rows).to_string(),
            finding.columns,
            HumanCount(finding.cells).to_string(),
        )?;
        for difference in &finding.first {
            writeln!(out, "      {difference}")?;
        }
        if finding.differences > FIRST_DIFFERENCES as u64 {
            let more = finding.differences - FIRST_DIFFERENCES as u64;
            writeln!(out, "      and {} more", HumanCount(more))?;
        }
    }
    Ok(())
}

/// The last line.
pub(super) fn verdict(changes: u64, findings: &[TableFinding]) -> String {
    let differences: u64 = findings.iter().map(|finding| finding.differences).sum();
    let changes = HumanCount(changes);
    match differences {
        0 => format!("{changes} changes, every cell as expected"),
        1 => format!("{changes} changes, 1 difference"),
        count => format!("{changes} changes, {} differences", HumanCount(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_verdict() {
        let good = TableFinding { table: "account".to_owned(), rows: 3, ..TableFinding::default() };
        let bad = TableFinding { differences: 1_200, ..good.clone() };
        assert_eq!(
            verdict(214_381, std::slice::from_ref(&good)),
            "214,381 changes, every cell as expected"
        );
        assert_eq!(verdict(5_000, &[good, bad]), "5,000 changes, 1,200 differences");
    }

    #[test]
    fn paths_reach_the_shell_as_they_are() {
        assert_eq!(shell_word("demo-data/crm.sqlite"), "demo-data/crm.sqlite");
        assert_eq!(shell_word("my demo/it's"), "'my demo/it'\\''s'");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(duration(0), "0 ms");
        assert_eq!(duration(999), "999 ms");
        assert_eq!(duration(12_345), "12.3 s");
    }
}
