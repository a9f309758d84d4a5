//! What a person wants to know at the end.

use std::io::{self, Write};
use std::path::Path;

use indicatif::{HumanBytes, HumanCount};

use super::carriage::{Carried, Stretch};
use super::comparison::{FIRST_DIFFERENCES, TableFinding};
use super::organisation::Said;
use super::place::Place;
use super::production::LIVE_PER_SECOND;

/// What was measured.
pub(super) struct Measured {
    /// What the organisation said, from the very beginning.
    pub(super) said: Said,
    /// What this run carried.
    pub(super) carried: Carried,
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
    let said = &measured.said;
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
    let Carried { backlog, live } = &measured.carried;
    let how = match measured.rate {
        Some(rate) => format!("at {} a second", HumanCount(rate)),
        None => "produced as fast as it goes".to_owned(),
    };
    stretch(out, "backlog", backlog, &how)?;
    if let Some(live) = live {
        let how = format!("live at {} a second", HumanCount(LIVE_PER_SECOND));
        stretch(out, "then", live, &how)?;
    }
    let (database, log) = (HumanBytes(measured.database_bytes), HumanBytes(measured.log_bytes));
    line(out, "database", &format!("{} ({database})", place.database().display()))?;
    line(out, "log", &format!("{} ({log})", place.log().display()))
}

/// Rate, and time from append to commit, of what one stretch of this run carried.
fn stretch(out: &mut impl Write, label: &str, stretch: &Stretch, how: &str) -> io::Result<()> {
    let Stretch { changes, batches, took, latency } = stretch;
    if *changes == 0 {
        return Ok(());
    }
    let per_second = u128::from(*changes) * 1_000 / took.as_millis().max(1);
    let rate = format!(
        "{} changes {how}, in {:.1} s: {} a second, {} batches",
        HumanCount(*changes),
        took.as_secs_f64(),
        HumanCount(u64::try_from(per_second).unwrap_or(u64::MAX)),
        HumanCount(*batches),
    );
    line(out, label, &rate)?;
    if let (Some(half), Some(most)) = (latency.percentile_ms(50), latency.percentile_ms(99)) {
        let times = format!("append to commit p50 {}, p99 {}", duration(half), duration(most));
        line(out, "", &times)?;
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
    writeln!(out, "  {label:<9} {text}")
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
        "    sqlite3 {database} \"SELECT name, address1_city, revenue FROM account LIMIT 9\""
    )?;
    writeln!(
        out,
        "    sqlite3 {database} \"SELECT a.address1_country, count(*) AS deals FROM opportunity o JOIN \
         account a ON a.Id = o.customerid GROUP BY 1\""
    )?;
    writeln!(
        out,
        "    {} inspect --config {settings} crm.demo.contact --last 3 --show-content",
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
