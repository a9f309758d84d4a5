//! What librdkafka tells on the side: its log lines and its global errors.
//!
//! Log lines go to `tracing`. Global errors (no broker answers, login refused, TLS failed) are kept,
//! because the calls that fail from them only ever say "timed out". One log line is read as an event:
//! that a topic was made anew under its name, which librdkafka sees and passes over (its source says
//! FIXME), going on at the old offset. No line holds a secret or record
//! content: librdkafka prints neither, and we add nothing.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, error, info, warn};

use super::failure;
use crate::model::position::Topic;

/// The same global error is told once in this time.
const REPEAT: Duration = Duration::from_mins(1);

/// Listens to one client.
pub(super) struct Observer {
    /// Which client, for the log lines.
    client: String,
    seen: Mutex<Seen>,
    /// Topics that were made anew.
    made_anew: Mutex<BTreeSet<Topic>>,
    /// Whether the operator wants librdkafka's debug lines.
    debug: bool,
}

/// Why nothing is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) code: RDKafkaErrorCode,
    /// Whether somebody has to mend it. A TLS connection that breaks off may also be a broker that
    /// is just going down.
    pub(super) sure: bool,
}

/// The global errors so far.
#[derive(Default)]
struct Seen {
    /// Why nothing is answered, since it was last answered.
    reason: Option<Reason>,
    /// The error told last, and when.
    told: Option<(RDKafkaErrorCode, Instant)>,
}

impl Observer {
    /// Listens under the name of `client`; `debug` lets librdkafka's debug lines through.
    pub(super) fn new(client: impl Into<String>, debug: bool) -> Self {
        let made_anew = Mutex::new(BTreeSet::new());
        Self { client: client.into(), seen: Mutex::default(), made_anew, debug }
    }

    /// A topic that was made anew since it was last asked for.
    pub(super) fn next_made_anew(&self) -> Option<Topic> {
        self.made_anew.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }

    /// Why nothing is answered, if it is something to be mended: librdkafka tells it when it first
    /// sees it, and afterwards only that no broker is there.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).reason
    }

    /// Something was answered: what was wrong is mended.
    pub(super) fn answered(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).reason = None;
    }

    /// Keeps the error; says whether it is worth a line.
    fn keep(&self, code: RDKafkaErrorCode, text: &str, now: Instant) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if failure::explains_time_outs(code) {
            let sure = code != RDKafkaErrorCode::SSL || !text.contains("Disconnected");
            seen.reason = Some(Reason { code, sure });
        } else if seen.reason.is_some() {
            // It follows from the reason, which was told.
            return false;
        }
        let again =
            seen.told.is_some_and(|(told, at)| told == code && now.duration_since(at) < REPEAT);
        if !again {
            seen.told = Some((code, now));
        }
        !again
    }
}

impl ClientContext for Observer {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if let Some(topic) = made_anew(facility, line) {
            warn!(client = self.client, topic, "a topic was made anew under its name");
            let mut all = self.made_anew.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(Topic::new(topic));
        }
        let client = self.client.as_str();
        match severity(level, facility) {
            Severity::Debug if !self.debug => {}
            Severity::Error => error!(client, facility, "{line}"),
            Severity::Warn => warn!(client, facility, "{line}"),
            Severity::Info => info!(client, facility, "{line}"),
            Severity::Debug => debug!(client, facility, "{line}"),
        }
    }

    fn error(&self, error: KafkaError, text: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        if !self.keep(code, text, Instant::now()) {
            return;
        }
        let (_, hint) = failure::classify(code);
        let client = self.client.as_str();
        if failure::explains_time_outs(code) || code == RDKafkaErrorCode::AllBrokersDown {
            warn!(client, code = ?code, "{hint}");
        } else {
            debug!(client, code = ?code, "{hint}");
        }
    }
}

/// The topic that a log line says to have been made anew: `Topic NAME changed id from ID to ID`.
/// The first id that librdkafka learns replaces one of zeros.
fn made_anew<'a>(facility: &str, line: &'a str) -> Option<&'a str> {
    const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
    if facility != "METADATA" {
        return None;
    }
    let (before, ids) = line.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (former, _) = ids.split_once(" to ")?;
    (!former.starts_with(NO_ID)).then_some(topic)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Warn,
    Info,
    Debug,
}

/// librdkafka calls a broken connection an error; for us, which go on by ourselves, it is a warning.
fn severity(level: RDKafkaLogLevel, facility: &str) -> Severity {
    match level {
        // A property of consumers given to a producer, and the like: ours to know.
        _ if facility.contains("CONFWARN") => Severity::Debug,
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            Severity::Error
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => Severity::Warn,
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => Severity::Info,
        RDKafkaLogLevel::Debug => Severity::Debug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_map_to_what_they_mean_to_us() {
        for (level, facility, expected) in [
            (RDKafkaLogLevel::Emerg, "ANY", Severity::Error),
            (RDKafkaLogLevel::Critical, "ANY", Severity::Error),
            (RDKafkaLogLevel::Error, "FAIL", Severity::Warn),
            (RDKafkaLogLevel::Warning, "OFFSET", Severity::Warn),
            (RDKafkaLogLevel::Warning, "CONFWARN", Severity::Debug),
            (RDKafkaLogLevel::Notice, "ANY", Severity::Info),
            (RDKafkaLogLevel::Info, "ANY", Severity::Info),
            (RDKafkaLogLevel::Debug, "FETCH", Severity::Debug),
        ] {
            assert_eq!(severity(level, facility), expected, "{level:?} {facility}");
        }
    }

    #[test]
    fn only_a_second_id_makes_a_topic_anew() {
        for (facility, line, expected) in [
            (
                "METADATA",
                "[thrd:main]: Topic a.b-c changed id from sVrFCxYiT3SnW4tQ to 9Xq0",
                Some("a.b-c"),
            ),
            ("METADATA", "Topic a changed id from AAAAAAAAAAAAAAAAAAAAAA to 9Xq0", None),
            ("METADATA", "[thrd:main]:   Topic a [0] Leader 1 Epoch 0", None),
            ("FETCH", "Topic a changed id from sVrFCxYiT3SnW4tQ to 9Xq0", None),
        ] {
            assert_eq!(made_anew(facility, line), expected, "{line}");
        }
    }

    #[test]
    fn a_refused_login_outlasts_the_outage_that_follows_from_it() {
        let observer = Observer::new("test", false);
        let now = Instant::now();
        assert!(observer.keep(RDKafkaErrorCode::Authentication, "", now));
        assert!(!observer.keep(RDKafkaErrorCode::AllBrokersDown, "", now));
        let code = RDKafkaErrorCode::Authentication;
        assert_eq!(observer.reason(), Some(Reason { code, sure: true }));
        observer.answered();
        assert_eq!(observer.reason(), None);
        assert!(observer.keep(RDKafkaErrorCode::AllBrokersDown, "", now));
    }

    #[test]
    fn a_broken_off_handshake_may_be_an_outage_but_a_refused_certificate_is_none() {
        let observer = Observer::new("test", false);
        for (text, sure) in [
            (
                "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
                false,
            ),
            ("SSL handshake failed: certificate verify failed: broker certificate", true),
        ] {
            observer.keep(RDKafkaErrorCode::SSL, text, Instant::now());
            assert_eq!(observer.reason().map(|reason| reason.sure), Some(sure), "{text}");
        }
    }

    #[test]
    fn an_outage_is_told_once_a_minute_and_explains_nothing() {
        let observer = Observer::new("test", false);
        let start = Instant::now();
        assert!(observer.keep(RDKafkaErrorCode::AllBrokersDown, "", start));
        assert!(!observer.keep(RDKafkaErrorCode::AllBrokersDown, "", start + REPEAT / 2));
        assert!(observer.keep(RDKafkaErrorCode::AllBrokersDown, "", start + REPEAT));
        assert_eq!(observer.reason(), None);
    }
}
