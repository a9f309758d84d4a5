//! Imports run one way: the table of who may know whom.
//!
//! Reads every `use` line (and every inline `crate::` path) of `src`, tests excepted.

use super::use_tree::used_paths;
use super::{Source, assert_none, sources};

/// A room, the rooms that it may know, and what to do instead of knowing another.
struct Room {
    name: &'static str,
    knows: &'static [&'static str],
    instead: &'static str,
}

const ROOMS: [Room; 9] = [
    Room {
        name: "model",
        knows: &[],
        instead: "the model is pure and knows no other room: take what is needed as an argument",
    },
    Room {
        name: "metrics",
        knows: &[],
        instead: "metrics know no other room: take numbers and words as arguments",
    },
    Room {
        name: "codec",
        knows: &["model", "metrics"],
        instead: "a codec turns bytes into changes: what it needs of others belongs into the model",
    },
    Room {
        name: "log",
        knows: &["model", "metrics"],
        instead: "the log moves bytes: what it shares with others belongs into the model",
    },
    Room {
        name: "destination",
        knows: &["model", "metrics"],
        instead: "a destination writes batches: what it shares with others belongs into the model",
    },
    Room {
        name: "pipeline",
        knows: &["model", "metrics", "codec", "log", "destination"],
        instead: "the pipeline is handed what it works with by app",
    },
    Room {
        name: "failed",
        knows: &["model", "metrics", "codec", "log", "destination"],
        instead: "the failed-record list is handed what it works with by app",
    },
    Room {
        name: "control",
        knows: &["model", "metrics", "failed", "pipeline"],
        instead: "control speaks to pipelines by their handle; app chooses adapters",
    },
    Room {
        name: "app",
        knows: &[
            "model",
            "metrics",
            "codec",
            "log",
            "destination",
            "pipeline",
            "failed",
            "control",
        ],
        instead: "",
    },
];

/// Rooms that know the traits of log and destination, but no adapter.
const WITHOUT_ADAPTERS: [&str; 3] = ["pipeline", "failed", "control"];

/// Crates that only some files may know, and where their work belongs.
const CRATES: [(&str, &[&str]); 10] = [
    ("rdkafka", &["src/log/kafka"]),
    // The demo judges the SQLite destination, so it reads with eyes of its own.
    (
        "rusqlite",
        &[
            "src/log/embedded",
            "src/destination/sqlite",
            "src/failed/store",
            "src/failed/list.rs",
            "src/app/demo/comparison.rs",
        ],
    ),
    ("tokio_postgres", &["src/destination/postgres"]),
    ("postgres_openssl", &["src/destination/postgres"]),
    ("openssl", &["src/destination/postgres", "src/log/kafka"]),
    ("deadpool", &["src/destination"]),
    ("prometheus", &["src/metrics"]),
    ("axum", &["src/app/", "src/control/"]),
    ("clap", &["src/app/", "src/main.rs"]),
    ("toml", &["src/app/settings/"]),
];

/// What makes the model fail for outside reasons, or wait.
const NOT_IN_THE_MODEL: [&str; 6] =
    ["tokio", "tracing", "std::fs", "std::net", "std::env", "std::thread"];

fn room_of(path: &str) -> Option<&'static Room> {
    let rest = path.strip_prefix("src/")?;
    let name = rest.split(['/', '.']).next()?;
    ROOMS.iter().find(|room| room.name == name)
}

/// The room and the module below it that a path names, seen from `crate`.
fn target(path: &str) -> Option<(&str, Option<&str>)> {
    let mut segments = path.strip_prefix("crate::")?.split("::");
    Some((segments.next()?, segments.next()))
}

/// Whether `src/<room>/<module>` is a module with code of its own, that is: an adapter or a part.
fn is_module(files: &[Source], room: &str, module: &str) -> bool {
    let file = format!("src/{room}/{module}.rs");
    let folder = format!("src/{room}/{module}/");
    files.iter().any(|source| source.path == file || source.path.starts_with(&folder))
}

fn violations(files: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        for (line, path) in used_paths(file.lines_without_tests()) {
            let place = format!("{}:{line}: `{path}`", file.path);
            violations.extend(wrong_room(files, file, &path).map(|why| format!("{place}: {why}")));
            violations.extend(wrong_crate(file, &path).map(|why| format!("{place}: {why}")));
        }
    }
    violations
}

fn wrong_room(files: &[Source], file: &Source, path: &str) -> Option<String> {
    let room = room_of(&file.path)?;
    let (name, module) = target(path)?;
    let other = ROOMS.iter().find(|room| room.name == name)?;
    if other.name == room.name {
        return None;
    }
    if !room.knows.contains(&other.name) {
        return Some(format!("{} must not know {}; {}", room.name, other.name, room.instead));
    }
    let adapter = module.filter(|module| {
        WITHOUT_ADAPTERS.contains(&room.name)
            && ["log", "destination"].contains(&other.name)
            // A trait of its own, with what it speaks of.
            && (other.name, *module) != ("destination", "desk")
            && is_module(files, other.name, module)
    })?;
    Some(format!(
        "{} must not know the adapter {}::{adapter}; use the trait in {}/mod.rs, app hands over who \
         implements it",
        room.name, other.name, other.name
    ))
}

fn wrong_crate(file: &Source, path: &str) -> Option<String> {
    let first = path.split("::").next()?;
    if let Some((name, homes)) = CRATES.iter().find(|(name, _)| *name == first)
        && !homes.iter().any(|home| file.path.starts_with(home))
    {
        return Some(format!("{name} belongs to {} alone", homes.join(" and ")));
    }
    let names = |part: &str| path == part || path.starts_with(&format!("{part}::"));
    let foreign = NOT_IN_THE_MODEL.iter().find(|part| names(part))?;
    file.path.starts_with("src/model/").then(|| {
        format!("the model does no I/O and waits for nothing; {foreign} belongs into another room")
    })
}

#[test]
fn imports_run_one_way() {
    assert_none(&violations(&sources("src")));
}

#[test]
fn every_folder_of_the_source_is_a_room() {
    let strangers = sources("src").into_iter().filter(|source| {
        room_of(&source.path).is_none() && !["src/lib.rs", "src/main.rs"].contains(&&*source.path)
    });
    let strangers: Vec<String> = strangers
        .map(|source| format!("{}: no room of the house; add it to the table", source.path))
        .collect();
    assert_none(&strangers);
}

#[test]
fn a_wrong_import_is_noticed() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    for (path, line, part) in [
        ("src/model/a.rs", "use crate::log::Log;", "model must not know log"),
        (
            "src/codec/a.rs",
            "use crate::{\n    model::x,\n    destination::Batch,\n};",
            "codec must not know destination",
        ),
        ("src/pipeline/a.rs", "use crate::log::{Feed, kafka::KafkaLog};", "the adapter log::kafka"),
        (
            "src/pipeline/a.rs",
            "let x = crate::destination::sqlite::open();",
            "the adapter destination::sqlite",
        ),
        ("src/pipeline/a.rs", "use crate::app::settings;", "pipeline must not know app"),
        (
            "src/destination/sqlite/mod.rs",
            "use rdkafka::Message;",
            "rdkafka belongs to src/log/kafka alone",
        ),
        ("src/model/a.rs", "use tokio::sync::mpsc;", "waits for nothing"),
    ] {
        let files = [
            source(path, line),
            source("src/log/kafka.rs", ""),
            source("src/destination/sqlite/write.rs", ""),
        ];
        let found = violations(&files);
        assert!(found.len() == 1 && found[0].contains(part), "{line}: {found:?}");
    }
    let fine = source(
        "src/pipeline/a.rs",
        "use crate::log::{Feed, Log};\nuse crate::model::batch::Batch;\n#[cfg(test)]\nuse crate::destination::memory::M;",
    );
    assert!(violations(&[fine, source("src/destination/memory.rs", "")]).is_empty());
}
