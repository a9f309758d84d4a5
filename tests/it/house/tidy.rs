//! How files look: their length, their opening paragraph, their words.

use super::{assert_none, sources};

/// Most lines of a file without its tests.
const LONGEST_FILE: usize = 400;

/// Names of modules that say nothing.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "common", "types", "helpers", "misc", "prelude"];

/// Words that the house does not use, and the one that it uses instead.
const WORDS: [(&str, &str); 5] = [
    ("job", "pipeline, lane or task"),
    ("sink", "destination"),
    ("dlq", "dead letter"),
    ("event", "change or notification"),
    ("message", "notification"),
];

/// Where one of these words is right: part of a file's path, and the identifier.
const EXCEPTIONS: [(&str, &str); 16] = [
    // rdkafka's own word.
    ("src/log/kafka", "message"),
    // The column names of Data Export Service.
    ("", "sink_created_on"),
    ("", "sink_modified_on"),
    ("", "sink_deleted_on"),
    // What a log tells a member of its group.
    ("", "group_event"),
    ("src/log", "event"),
    ("src/log", "events"),
    ("src/pipeline", "event"),
    // Names of libraries.
    ("", "futures_sink"),
    ("src/destination/postgres", "sink"),
    ("src/destination/postgres", "binary_copy_in_writer"),
    ("src/app/telemetry.rs", "flatten_event"),
    // Dataverse's own field.
    ("src/codec", "message_name"),
    ("src/codec", "message"),
    // How a library gives the text of its error.
    ("src/app/settings", "message"),
    ("tests/", "message"),
];

/// Calls that tests may not make, and what to do instead. A pause between two looks at a condition
/// that has a deadline is no sleep, and neither is one in a file whose time is paused.
const NOT_IN_TESTS: [(&str, &str); 3] = [
    ("#[ignore", "a test that does not run proves nothing: make it run or remove it"),
    ("thread::sleep(", "wait for a notice or a condition with a deadline"),
    ("time::sleep(", "wait for a notice or a condition with a deadline"),
];

#[test]
fn every_module_opens_with_what_it_is_for() {
    let files = sources("src").into_iter().chain(sources("tests"));
    let silent = files.filter(|source| !source.text.starts_with("//! "));
    let silent: Vec<String> = silent
        .map(|source| {
            format!("{}: open it with a paragraph `//! …` that says what it is for", source.path)
        })
        .collect();
    assert_none(&silent);
}

#[test]
fn no_file_is_long() {
    let long: Vec<String> = sources("src")
        .iter()
        .map(|source| (source, source.lines_without_tests().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(source, lines)| {
            format!("{} has {lines} lines without tests: it is two things", source.path)
        })
        .collect();
    assert_none(&long);
}

#[test]
fn no_module_has_an_empty_name() {
    let files = sources("src").into_iter().chain(sources("tests"));
    let empty = files.filter(|source| {
        source.path.trim_end_matches(".rs").split('/').any(|part| EMPTY_NAMES.contains(&part))
    });
    let empty: Vec<String> =
        empty.map(|source| format!("{}: name it after what it holds", source.path)).collect();
    assert_none(&empty);
}

#[test]
fn one_word_for_each_thing() {
    let mut violations = Vec::new();
    for source in sources("src") {
        for (number, line) in source.lines_without_tests() {
            for identifier in defined_identifiers(line) {
                let snake = snake_case(identifier);
                let excepted = EXCEPTIONS
                    .iter()
                    .any(|(path, name)| source.path.starts_with(path) && *name == snake);
                let wrong = WORDS.iter().find(|(word, _)| {
                    snake
                        .split('_')
                        .any(|part| part == *word || part.strip_suffix('s') == Some(word))
                });
                if let (Some((word, instead)), false) = (wrong, excepted) {
                    violations.push(format!(
                        "{}:{number}: `{identifier}`: the house does not say {word}; say {instead}",
                        source.path
                    ));
                }
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn tests_run_and_never_sleep() {
    let mut violations = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        if source.path == "tests/it/house/tidy.rs" {
            continue;
        }
        let before_tests = source.lines_without_tests().count();
        let paused = source.text.contains("start_paused = true");
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate().skip(before_tests) {
            let code = line.split("//").next().unwrap_or("");
            let found = NOT_IN_TESTS.iter().find(|(call, _)| code.contains(call));
            let waits = code.contains("tokio::time::sleep(")
                && (paused
                    || lines[at.saturating_sub(2)..at]
                        .iter()
                        .any(|line| line.contains("deadline")));
            if let (Some((call, instead)), false) = (found, waits) {
                violations.push(format!("{}:{}: `{call}`: {instead}", source.path, at + 1));
            }
        }
    }
    assert_none(&violations);
}

/// The identifiers that a line defines: functions, types, modules, constants, variables.
fn defined_identifiers(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or("");
    let keywords = ["fn", "struct", "enum", "trait", "mod", "const", "type", "let"];
    let mut words =
        code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty());
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if keywords.contains(&word)
            && let Some(name) = words.find(|word| *word != "mut")
        {
            found.push(name);
        }
    }
    found
}

fn snake_case(identifier: &str) -> String {
    let mut snake = String::new();
    let mut lower_before = false;
    for c in identifier.chars() {
        if c.is_uppercase() && lower_before {
            snake.push('_');
        }
        lower_before = c.is_lowercase();
        snake.extend(c.to_lowercase());
    }
    snake
}

#[test]
fn words_are_found_in_any_spelling() {
    assert_eq!(snake_case("GroupEvent"), "group_event");
    assert_eq!(snake_case("SINK_CREATED_ON"), "sink_created_on");
    assert_eq!(defined_identifiers("pub fn next_job(&self) {"), ["next_job"]);
    assert_eq!(defined_identifiers("    let mut events = 3; // let x"), ["events"]);
}
