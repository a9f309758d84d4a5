//! `docs/metrics.md`, generated from the definitions.

use std::fmt::Write as _;

use super::{Kind, Metrics};

impl Metrics {
    /// Every metric with its labels and its meaning, as Markdown.
    pub fn reference(&self) -> String {
        let mut text = String::from(
            "# Metrics\n\n\
             `GET /metrics` on the address of `[http] listen`, in Prometheus's text format. Counts \
             are made per batch. Every label has a bounded set of values; none carries a record's \
             id or content.\n\n\
             This page is generated from the code that registers the metrics.\n\n\
             | metric | kind | labels | what it says |\n| --- | --- | --- | --- |\n",
        );
        for definition in self.definitions() {
            let kind = match definition.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let labels = match definition.labels {
                [] => "none".to_owned(),
                labels => labels.join(", "),
            };
            let (name, help) = (definition.name, definition.help);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| `{name}` | {kind} | {labels} | {help} |");
        }
        text
    }
}
