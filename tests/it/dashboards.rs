//! Dashboards and alerts name metrics that exist, and every metric is on a panel.

use std::collections::BTreeSet;
use std::path::Path;

use keepstep::metrics::{Kind, Metrics};

/// A text file of `dashboards/`.
fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every word of the text that looks like a metric of ours.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("keepstep_"))
        .map(str::to_owned)
        .collect()
}

/// What all queries of the overview say.
fn queries() -> Vec<String> {
    let overview: serde_json::Value = serde_json::from_str(&read("overview.json")).unwrap();
    let panels = overview["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The names under which Prometheus knows our metrics, by metric.
fn series() -> Vec<Vec<String>> {
    let metrics = Metrics::new().unwrap();
    let names = metrics.definitions().iter().map(|definition| match definition.kind {
        Kind::Counter | Kind::Gauge => vec![definition.name.to_owned()],
        Kind::Histogram => {
            ["bucket", "sum", "count"].map(|part| format!("{}_{part}", definition.name)).to_vec()
        }
    });
    names.collect()
}

#[test]
fn dashboards_and_alerts_name_metrics_that_exist() {
    let known: BTreeSet<String> = series().into_iter().flatten().collect();
    for file in ["overview.json", "alerts.yml"] {
        let named = metrics_in(&read(file));
        assert!(!named.is_empty(), "{file} names no metric");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
}

#[test]
fn every_metric_is_on_a_panel() {
    let shown = metrics_in(&queries().join(" "));
    let missing: Vec<_> = series()
        .into_iter()
        .filter(|names| names.iter().all(|name| !shown.contains(name)))
        .collect();
    assert!(missing.is_empty(), "on no panel: {missing:?}");
}
