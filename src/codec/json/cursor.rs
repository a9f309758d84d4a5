//! Reads JSON (RFC 8259) piece by piece, straight into what the caller wants.
//!
//! Why not a general reader: numbers must stay exact text, parts that nobody needs must cost no
//! more than a scan, and an error must name its place and never quote what it found there.
//! Promises: no recursion, so no input overflows the stack; nesting is bounded; a part that is
//! skipped is still checked for well-formedness, except that surrogates need not pair there.

use super::text::Text;
use crate::codec::error::{DecodeCode, DecodeError};
use crate::codec::framing::BYTE_ORDER_MARK;
use crate::codec::limit::MAX_DEPTH;

/// A place in a JSON text.
#[derive(Debug)]
pub(in crate::codec) struct JsonCursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    depth: usize,
}

/// A place to come back to.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct Mark {
    at: usize,
    depth: usize,
}

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

impl<'a> JsonCursor<'a> {
    /// Begins at the first value; a byte order mark is passed over.
    pub(in crate::codec) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            DecodeError::new(
                DecodeCode::InvalidText,
                format_args!("JSON must be UTF-8, at byte {}", error.valid_up_to()),
            )
        })?;
        let at = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        Ok(Self { text, at, depth: 0 })
    }

    /// An error at this place.
    #[cold]
    pub(in crate::codec) fn error(&self, code: DecodeCode, expected: &str) -> DecodeError {
        DecodeError::new(code, format_args!("{expected}, at byte {}", self.at))
    }

    pub(super) fn malformed(&self, expected: &str) -> DecodeError {
        if self.at >= self.text.len() {
            self.error(DecodeCode::Truncated, expected)
        } else {
            self.error(DecodeCode::Malformed, expected)
        }
    }

    pub(in crate::codec) fn mark(&self) -> Mark {
        Mark { at: self.at, depth: self.depth }
    }

    pub(in crate::codec) fn rewind(&mut self, mark: Mark) {
        (self.at, self.depth) = (mark.at, mark.depth);
    }

    #[inline]
    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline]
    fn take(&mut self, byte: u8, expected: &str) -> Result<(), DecodeError> {
        if self.skip_space() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.malformed(expected))
        }
    }

    /// What the next value is.
    #[inline]
    pub(in crate::codec) fn kind(&mut self) -> Result<Kind, DecodeError> {
        match self.skip_space() {
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'"') => Ok(Kind::Text),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            _ => Err(self.malformed("a value is expected")),
        }
    }

    /// Passes a `null` and says so; otherwise stays.
    #[inline]
    pub(in crate::codec) fn null(&mut self) -> Result<bool, DecodeError> {
        if self.kind()? == Kind::Null {
            self.word("null")?;
            return Ok(true);
        }
        Ok(false)
    }

    /// A boolean.
    pub(in crate::codec) fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.skip_space() {
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| false),
            _ => Err(self.error(DecodeCode::WrongType, "a boolean is expected")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), DecodeError> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        if word.as_bytes().starts_with(rest) {
            self.at = self.text.len();
        }
        Err(self.malformed("a value is expected"))
    }

    fn open(&mut self, byte: u8, expected: &'static str) -> Result<(), DecodeError> {
        if self.skip_space() != Some(byte) {
            return Err(self.error(DecodeCode::WrongType, expected));
        }
        if self.depth == MAX_DEPTH {
            return Err(self.error(DecodeCode::TooDeep, "objects and lists are nested too deep"));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Begins an object.
    pub(in crate::codec) fn begin_object(&mut self) -> Result<First, DecodeError> {
        self.open(b'{', "an object is expected").map(|()| First(true))
    }

    /// Begins a list.
    pub(in crate::codec) fn begin_array(&mut self) -> Result<First, DecodeError> {
        self.open(b'[', "a list is expected").map(|()| First(true))
    }

    /// The name of the next member, whose value comes next; `None` at the end of the object.
    #[inline]
    pub(in crate::codec) fn member(
        &mut self,
        first: &mut First,
    ) -> Result<Option<Text<'a>>, DecodeError> {
        if !self.next(first, b'}', "a comma or the object's end is expected")? {
            return Ok(None);
        }
        if self.skip_space() != Some(b'"') {
            return Err(self.malformed("a member's name is expected"));
        }
        let name = self.text()?;
        self.take(b':', "a colon is expected")?;
        Ok(Some(name))
    }

    /// Whether another element of the list comes next.
    #[inline]
    pub(in crate::codec) fn element(&mut self, first: &mut First) -> Result<bool, DecodeError> {
        self.next(first, b']', "a comma or the list's end is expected")
    }

    #[inline]
    fn next(
        &mut self,
        first: &mut First,
        close: u8,
        expected: &'static str,
    ) -> Result<bool, DecodeError> {
        match self.skip_space() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !first.0 => {
                self.at += 1;
                if self.skip_space() == Some(close) {
                    return Err(self.malformed("another one is expected after the comma"));
                }
                Ok(true)
            }
            Some(_) if first.0 => {
                first.0 = false;
                Ok(true)
            }
            _ => Err(self.malformed(expected)),
        }
    }

    /// A number, as it is written.
    pub(in crate::codec) fn number(&mut self) -> Result<&'a str, DecodeError> {
        if !matches!(self.skip_space(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.error(DecodeCode::WrongType, "a number is expected"));
        }
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.malformed("a digit is expected")) } else { Ok(()) }
    }

    /// Passes over a value of any kind.
    #[inline]
    pub(in crate::codec) fn skip(&mut self) -> Result<(), DecodeError> {
        match self.kind()? {
            Kind::Object | Kind::Array => self.skip_nested(),
            _ => self.skip_plain(),
        }
    }

    fn skip_plain(&mut self) -> Result<(), DecodeError> {
        match self.kind()? {
            Kind::Text => self.skip_text(),
            Kind::Number => self.number().map(|_| ()),
            Kind::Null => self.word("null"),
            _ => self.boolean().map(|_| ()),
        }
    }

    fn skip_nested(&mut self) -> Result<(), DecodeError> {
        let base = self.depth;
        // One bit for each open level: set for an object, not for a list.
        let mut objects = 0_u128;
        loop {
            let mut first = First(false);
            match self.kind()? {
                Kind::Object => {
                    objects |= 1 << (self.depth - base).min(MAX_DEPTH - 1);
                    first = self.begin_object()?;
                }
                Kind::Array => {
                    objects &= !(1 << (self.depth - base).min(MAX_DEPTH - 1));
                    first = self.begin_array()?;
                }
                _ => self.skip_plain()?,
            }
            loop {
                if self.depth == base {
                    return Ok(());
                }
                let is_object = objects & (1 << (self.depth - base - 1)) != 0;
                let more = if is_object {
                    self.skip_member(&mut first)?
                } else {
                    self.element(&mut first)?
                };
                if more {
                    break;
                }
                first = First(false);
            }
        }
    }

    fn skip_member(&mut self, first: &mut First) -> Result<bool, DecodeError> {
        if !self.next(first, b'}', "a comma or the object's end is expected")? {
            return Ok(false);
        }
        if self.skip_space() != Some(b'"') {
            return Err(self.malformed("a member's name is expected"));
        }
        self.skip_text()?;
        self.take(b':', "a colon is expected")?;
        Ok(true)
    }

    /// Makes sure that nothing follows.
    pub(in crate::codec) fn end(&mut self) -> Result<(), DecodeError> {
        match self.skip_space() {
            None => Ok(()),
            Some(_) => Err(self.error(DecodeCode::Trailing, "something follows the JSON text")),
        }
    }
}

/// Whether the next element of an object or list is its first.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct First(bool);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn skip(json: &[u8]) -> Result<(), DecodeCode> {
        let skipped = JsonCursor::new(json).and_then(|mut cursor| {
            cursor.skip()?;
            cursor.end()
        });
        skipped.map_err(|error| error.code)
    }

    #[test]
    fn nesting_has_a_limit_and_takes_no_stack() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert_eq!(skip(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(skip(&nested(MAX_DEPTH + 1)), Err(DecodeCode::TooDeep));
        assert_eq!(skip(&vec![b'['; 1_000_000]), Err(DecodeCode::TooDeep));
        assert_eq!(skip(&r#"{"a":"#.repeat(1_000_000).into_bytes()), Err(DecodeCode::TooDeep));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_at_the_beginning_only() {
        assert_eq!(skip(b"\xef\xbb\xbf{}"), Ok(()));
        assert_eq!(skip(b" \xef\xbb\xbf{}"), Err(DecodeCode::Malformed));
    }

    #[test]
    fn members_and_elements_are_handed_out_in_order() {
        let mut cursor = JsonCursor::new(br#" { "a" : [ 1 , -2.50e+3 ] , "b":{} } "#).unwrap();
        let mut members = cursor.begin_object().unwrap();
        assert_eq!(&*cursor.member(&mut members).unwrap().unwrap(), "a");
        let mut elements = cursor.begin_array().unwrap();
        assert!(cursor.element(&mut elements).unwrap());
        assert_eq!(cursor.number().unwrap(), "1");
        assert!(cursor.element(&mut elements).unwrap());
        assert_eq!(cursor.number().unwrap(), "-2.50e+3");
        assert!(!cursor.element(&mut elements).unwrap());
        assert_eq!(&*cursor.member(&mut members).unwrap().unwrap(), "b");
        let mut inner = cursor.begin_object().unwrap();
        assert!(cursor.member(&mut inner).unwrap().is_none());
        assert!(cursor.member(&mut members).unwrap().is_none());
        cursor.end().unwrap();
    }

    /// Bytes that are often nearly JSON.
    fn near_json() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"\\u00e4\"",
            "\"\\\"",
            "1",
            "-0.5e3",
            "01",
            "-",
            "1.",
            "null",
            "true",
            "false",
            "nul",
            " ",
            "\n",
            "ü",
            "\"ü\"",
            "\u{1}",
            "\"\\q\"",
            "\"",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<f64>().prop_map(serde_json::Value::from),
            any::<String>().prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn accepts_exactly_what_a_general_reader_accepts(bytes in near_json()) {
            let reference = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
            prop_assert_eq!(skip(&bytes).is_ok(), reference);
        }

        #[test]
        fn accepts_all_json(value in json()) {
            prop_assert_eq!(skip(&serde_json::to_vec_pretty(&value).unwrap()), Ok(()));
            prop_assert_eq!(skip(&serde_json::to_vec(&value).unwrap()), Ok(()));
        }

        #[test]
        fn no_cut_of_json_is_json(value in json()) {
            let bytes = serde_json::to_vec(&vec![value]).unwrap();
            for length in 0..bytes.len() {
                prop_assert!(skip(&bytes[..length]).is_err());
            }
        }
    }
}
