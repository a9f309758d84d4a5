//! What the relay writes beside a notification: where it came from, and how far the relay was.
//!
//! Pure. The two headers are the relay's whole memory: it has no file and no group offsets of its
//! own, so target and memory can never disagree.

use std::collections::BTreeMap;

use bytes::Bytes;
use compact_str::CompactString;

use crate::model::position::{NextOffset, Offset, Topic};

/// Header with the source of a notification: `topic/partition@offset#part/parts`.
pub(super) const SOURCE: &str = "keepstep-relay-source";
/// Header with what was settled before: `partition=next` for each, separated by commas.
pub(super) const SETTLED: &str = "keepstep-relay-settled";

/// Where a written notification came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Origin {
    /// Partition of the source topic.
    pub partition: u32,
    /// Offset there.
    pub offset: Offset,
    /// Which part of the notification, from 1: one that carries several links is split.
    pub part: u32,
    /// Into how many parts it was split.
    pub parts: u32,
}

/// Next offset of each partition of the source: everything below is on the target.
pub(super) type Settled = BTreeMap<u32, NextOffset>;

/// The two headers of one notification.
pub(super) fn headers(
    from: &Topic,
    origin: Origin,
    settled: &Settled,
) -> [(CompactString, Bytes); 2] {
    let Origin { partition, offset, part, parts } = origin;
    let source = format!("{from}/{partition}@{offset}#{part}/{parts}");
    let settled: Vec<String> =
        settled.iter().map(|(partition, next)| format!("{partition}={next}")).collect();
    [
        (CompactString::const_new(SOURCE), Bytes::from(source)),
        (CompactString::const_new(SETTLED), Bytes::from(settled.join(","))),
    ]
}

/// Whether a header is the relay's.
pub(super) fn is_ours(name: &str) -> bool {
    name == SOURCE || name == SETTLED
}

/// Reads the two headers, if they are there and speak of the topic `from`.
pub(super) fn parse(from: &Topic, headers: &[(CompactString, Bytes)]) -> Option<(Origin, Settled)> {
    let text = |wanted: &str| {
        let (_, value) = headers.iter().find(|(name, _)| name == wanted)?;
        std::str::from_utf8(value).ok()
    };
    Some((parse_origin(from, text(SOURCE)?)?, parse_settled(text(SETTLED)?)?))
}

fn parse_origin(from: &Topic, text: &str) -> Option<Origin> {
    let rest = text.strip_prefix(from.as_str())?.strip_prefix('/')?;
    let (partition, rest) = rest.split_once('@')?;
    let (offset, part) = rest.split_once('#')?;
    let (part, parts) = part.split_once('/')?;
    Some(Origin {
        partition: partition.parse().ok()?,
        offset: Offset(offset.parse().ok()?),
        part: part.parse().ok()?,
        parts: parts.parse().ok()?,
    })
}

fn parse_settled(text: &str) -> Option<Settled> {
    if text.is_empty() {
        return Some(Settled::new());
    }
    let pairs = text.split(',').map(|pair| {
        let (partition, next) = pair.split_once('=')?;
        Some((partition.parse().ok()?, NextOffset(next.parse().ok()?)))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_back() {
        let from = Topic::new("contoso.raw");
        let origin = Origin { partition: 2, offset: Offset(133), part: 4, parts: 5 };
        let settled = Settled::from([(0, NextOffset(120)), (2, NextOffset(130))]);
        let written = headers(&from, origin, &settled);
        assert_eq!(written[0].1, "contoso.raw/2@133#4/5");
        assert_eq!(written[1].1, "0=120,2=130");
        assert_eq!(parse(&from, &written), Some((origin, settled)));
        assert_eq!(parse(&Topic::new("contoso"), &written), None);
        let nothing = headers(&from, origin, &Settled::new());
        assert_eq!(parse(&from, &nothing), Some((origin, Settled::new())));
    }

    #[test]
    fn other_headers_say_nothing() {
        let from = Topic::new("raw");
        let header = |name: &'static str, value: &'static str| {
            (CompactString::const_new(name), Bytes::from_static(value.as_bytes()))
        };
        for (source, settled) in [
            ("raw/0@1", "0=1"),
            ("raw/0@1#1", "0=1"),
            ("raw/x@1#1/1", "0=1"),
            ("raw/0@1#1/1", "0"),
            ("raw/0@1#1/1", "0=x"),
            ("other/0@1#1/1", "0=1"),
        ] {
            let headers = [header(SOURCE, source), header(SETTLED, settled)];
            assert_eq!(parse(&from, &headers), None, "{source} {settled}");
        }
        assert_eq!(parse(&from, &[header(SOURCE, "raw/0@1#1/1")]), None);
    }
}
