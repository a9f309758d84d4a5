//! Generated pages and example files stay in step with the code.

use std::path::{Path, PathBuf};

use keepstep::app::settings::Settings;
use keepstep::app::settings::reference::settings_reference;
use keepstep::metrics::Metrics;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a file of the repository with what the code says it must hold.
fn is_in_step(path: &str, expected: &str) {
    if std::env::var_os("KEEPSTEP_UPDATE_DOCUMENTS").is_some() {
        std::fs::write(root(path), expected).unwrap();
    }
    let found = std::fs::read_to_string(root(path)).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is out of step; `KEEPSTEP_UPDATE_DOCUMENTS=1 cargo test --test it documents` \
         writes it anew"
    );
}

#[test]
fn the_page_of_settings_is_in_step() {
    is_in_step("docs/settings.md", &settings_reference());
}

#[test]
fn the_page_of_metrics_is_in_step() {
    is_in_step("docs/metrics.md", &Metrics::new().unwrap().reference());
}

#[test]
fn the_example_settings_resolve() {
    let settings = Settings::load(&root("examples/keepstep.toml"));
    let settings = settings.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(settings.profiles.len(), 2);
}

#[test]
fn the_settings_of_the_compose_file_resolve() {
    let settings = Settings::load(&root("examples/compose.toml"));
    let settings = settings.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(settings.listen.map(|address| address.port()), Some(9187));
}
