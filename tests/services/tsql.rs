//! The statements for SQL Server, read by a parser of T-SQL that is not ours.
//!
//! What it cannot judge stands in `docs/sqlserver.md`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the parser says to these files.
fn parse(files: &[PathBuf]) -> Output {
    let python = project().join("target/services/sqlfluff/bin/python");
    assert!(python.exists(), "{} is missing: run scripts/setup test", python.display());
    Command::new(python).arg(project().join("scripts/parse-tsql")).args(files).output().unwrap()
}

fn said(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr];
    streams.map(|stream| String::from_utf8_lossy(stream).into_owned()).concat()
}

#[test]
fn every_golden_file_of_sql_server_can_be_parsed() {
    let folder = project().join("tests/golden/sqlserver");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    assert!(!files.is_empty(), "there are no golden files");
    let output = parse(&files);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("{} files parsed", files.len())), "{said}");
}

/// Else the test above could not fail.
#[test]
fn the_parser_refuses_what_is_no_tsql() {
    let folder = project().join("target/tmp");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("no-tsql-{}.sql", std::process::id()));
    for broken in [
        "UPDATE [a] SET [b] = 1 WHERE [c] = 2 AND;\n",
        "CREATE TABLE [dbo].[EPK[x]].[y]]] ([Id] uniqueidentifier NOT NULL;\n",
        "DELETE FROM [a] WHERE [b] = (SELECT 1;\n",
        "SELECT N'it's';\n",
    ] {
        std::fs::write(&file, format!("SELECT 1 AS one;\n\n{broken}\nSELECT 2 AS two;\n")).unwrap();
        let output = parse(std::slice::from_ref(&file));
        let said = said(&output);
        assert!(!output.status.success(), "{broken} was taken: {said}");
        assert!(said.contains(&*file.to_string_lossy()), "{said}");
    }
    std::fs::remove_file(&file).unwrap();
}
