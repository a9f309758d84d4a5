//! Log lines: where they go and what they look like.
//!
//! They go to standard error, as text for people or one JSON object a line; standard output
//! belongs to the answers of commands. Must never carry a secret or a record's content.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::settings::process::{LineFormat, TelemetrySettings};

/// Starts to write log lines. A second call changes nothing.
pub fn start(settings: TelemetrySettings) {
    let filter = filter(settings.level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    // The only error is that log lines are written already.
    let _ = match settings.format {
        LineFormat::Text => registry.with(lines.with_target(false)).try_init(),
        LineFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}

/// Our own lines from `level` on; those of libraries from `warn` on unless more is asked for than
/// `info`: they speak of their own affairs. The driver of SQL Server never speaks: it writes every
/// error with the server's message, which quotes values.
fn filter(level: Level) -> Targets {
    let libraries = if level > Level::INFO { Level::INFO } else { level.min(Level::WARN) };
    Targets::new()
        .with_default(libraries)
        .with_target("keepstep", level)
        .with_target("tiberius", LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quieter_than_we_are() {
        for (level, ours, theirs) in [
            (Level::ERROR, Level::ERROR, Level::ERROR),
            (Level::WARN, Level::WARN, Level::WARN),
            (Level::INFO, Level::INFO, Level::WARN),
            (Level::DEBUG, Level::DEBUG, Level::INFO),
        ] {
            let filter = filter(level);
            assert!(filter.would_enable("keepstep::app::run", &ours), "{level}");
            assert!(filter.would_enable("rdkafka", &theirs), "{level}");
            assert!(!filter.would_enable("tiberius::tds::stream::token", &Level::ERROR));
            if level < Level::DEBUG {
                assert!(!filter.would_enable("rdkafka", &Level::DEBUG));
            }
        }
    }
}
