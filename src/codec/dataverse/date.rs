//! Times of the envelope.

use crate::model::instant_text::{parse_epoch, parse_instant};
use crate::model::value::Ticks;

/// The moment that `OperationCreatedOn` names.
///
/// `/Date(ms+hhmm)/` is skewed there: in captured bodies of several organisations `ms` alone is off
/// by exactly the offset, and `ms + offset` is the record's own time. (Attributes never have an
/// offset, and .NET's rule would be that it moves nothing.)
pub(super) fn operation_created_on(text: &str) -> Option<Ticks> {
    match text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        Some(inner) => {
            let (ms, offset_minutes) = parse_epoch(inner)?;
            Ticks::from_unix_ms(ms.checked_add(i64::from(offset_minutes) * 60_000)?)
        }
        None => parse_instant(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_moves_the_moment() {
        let unix_ms = |text| operation_created_on(text).map(Ticks::to_unix_ms);
        assert_eq!(unix_ms("/Date(1608007658000)/"), Some(1_608_007_658_000));
        assert_eq!(unix_ms("/Date(1608007658000+0000)/"), Some(1_608_007_658_000));
        assert_eq!(unix_ms("/Date(1608007658000-0700)/"), Some(1_608_007_658_000 - 25_200_000));
        assert_eq!(unix_ms("/Date(1608007658000+0330)/"), Some(1_608_007_658_000 + 12_600_000));
        assert_eq!(unix_ms("2024-12-10T06:43:34.000Z"), Some(1_733_813_014_000));
        assert_eq!(unix_ms("/Date(9223372036854775807+0100)/"), None);
        assert_eq!(unix_ms("yesterday"), None);
    }
}
