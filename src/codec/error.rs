//! Why bytes are not a change, in words of our own.
//!
//! An error names the place (byte offset, field, attribute) and what was expected there. Names may
//! stand in it, cut to a length; values never do, for an error ends in logs and lists (promise
//! G11). So no parser's own error text is ever passed on: those quote what they found.

use std::fmt;
use std::fmt::Write as _;

use compact_str::CompactString;

use crate::model::failure::Cause;
use crate::model::shown::Shown;

/// Longest detail, in bytes; the rest is cut.
pub(super) const MAX_DETAIL: usize = 300;

/// Kinds of failure, closed, so that metrics and documents can list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeCode {
    /// The payload is larger than the setting allows.
    TooLarge,
    /// Objects or lists are nested too deep.
    TooDeep,
    /// Too many attributes, options or changes.
    TooMany,
    /// A name is empty or too long.
    NameLength,
    /// The bytes end too early.
    Truncated,
    /// Something follows after the end.
    Trailing,
    /// The bytes break the rules of their encoding.
    Malformed,
    /// Text is not Unicode.
    InvalidText,
    /// A number, time or length is outside of what its type holds.
    OutOfRange,
    /// A value of another type is expected here.
    WrongType,
    /// A field that is needed is absent.
    Missing,
    /// A field stands twice.
    Repeated,
    /// A field that the shape does not have.
    UnknownField,
    /// No known encoding.
    UnknownFormat,
    /// An encoding that is known and not read.
    UnsupportedFormat,
    /// Avro under a schema that is not known.
    UnknownSchema,
    /// A message of the source that is not known.
    UnknownMessage,
    /// A type of the source that is not known.
    UnknownType,
    /// Two parts of the notification contradict each other.
    Contradiction,
    /// The source left the content out because it was too big.
    Stripped,
}

impl DecodeCode {
    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::TooMany => "too_many",
            Self::NameLength => "name_length",
            Self::Truncated => "truncated",
            Self::Trailing => "trailing",
            Self::Malformed => "malformed",
            Self::InvalidText => "invalid_text",
            Self::OutOfRange => "out_of_range",
            Self::WrongType => "wrong_type",
            Self::Missing => "missing",
            Self::Repeated => "repeated",
            Self::UnknownField => "unknown_field",
            Self::UnknownFormat => "unknown_format",
            Self::UnsupportedFormat => "unsupported_format",
            Self::UnknownSchema => "unknown_schema",
            Self::UnknownMessage => "unknown_message",
            Self::UnknownType => "unknown_type",
            Self::Contradiction => "contradiction",
            Self::Stripped => "stripped",
        }
    }
}

/// A notification that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct DecodeError {
    /// The kind of failure.
    pub code: DecodeCode,
    /// The place and what was expected; never content.
    pub detail: CompactString,
}

impl DecodeError {
    /// An error with its place. Whatever came from the wire must be wrapped in [`Name`].
    pub(super) fn new(code: DecodeCode, detail: fmt::Arguments<'_>) -> Self {
        let mut text = CompactString::default();
        // Writing to a string cannot fail.
        let _ = text.write_fmt(detail);
        if text.len() > MAX_DETAIL {
            let cut = (0..=MAX_DETAIL).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(cut);
        }
        Self { code, detail: text }
    }

    /// The same error, with the attribute that it happened in.
    pub(super) fn in_attribute(self, name: &str) -> Self {
        Self::new(self.code, format_args!("attribute {}: {}", Name(name), self.detail))
    }

    /// The same error, with the field that it happened in.
    pub(super) fn in_field(self, name: &str) -> Self {
        Self::new(self.code, format_args!("field {}: {}", Name(name), self.detail))
    }

    /// The cause under which a lane rejects the notification.
    pub fn cause(&self) -> Cause {
        match self.code {
            DecodeCode::Stripped => Cause::Stripped,
            code => {
                let mut text = CompactString::new(code.as_str());
                text.push_str(": ");
                text.push_str(&self.detail);
                Cause::Undecodable(text)
            }
        }
    }
}

/// A name from the wire, made fit for an error.
pub(super) struct Name<'a>(pub &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", Shown(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shown::MAX_SHOWN_NAME;

    #[test]
    fn names_are_cut_and_cleaned() {
        assert_eq!(Name("name").to_string(), "`name`");
        assert_eq!(Name("a\nb\u{1b}c").to_string(), "`a\u{fffd}b\u{fffd}c`");
        let long = Name(&"ü".repeat(1_000)).to_string();
        assert_eq!(long.chars().count(), MAX_SHOWN_NAME + 3);
    }

    #[test]
    fn a_detail_has_a_limit() {
        let long = "ü".repeat(1_000);
        let error = DecodeError::new(DecodeCode::Malformed, format_args!("x{long}"));
        assert!(error.detail.len() <= MAX_DETAIL);
        let nested = (0..20).fold(error, |error, _| error.in_attribute("name"));
        assert!(nested.detail.len() <= MAX_DETAIL);
    }

    #[test]
    fn a_stripped_notification_has_a_cause_of_its_own() {
        let error = DecodeError::new(DecodeCode::Stripped, format_args!("no parameters"));
        assert_eq!(error.cause(), Cause::Stripped);
        let error = DecodeError::new(DecodeCode::Missing, format_args!("field entity"));
        assert_eq!(error.cause(), Cause::Undecodable("missing: field entity".into()));
    }
}
