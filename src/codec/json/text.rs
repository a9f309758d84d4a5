//! Texts of JSON: escapes become characters, and half a surrogate pair is refused, for it stands
//! for no character and would have to be changed to be stored.

use std::ops::Deref;

use compact_str::CompactString;

use super::cursor::JsonCursor;
use crate::codec::error::{DecodeCode, DecodeError};

/// A text: as it stands in the JSON if it has no escapes. A short one takes no allocation.
#[derive(Clone, Debug)]
pub(in crate::codec) enum Text<'a> {
    /// A part of the JSON.
    Plain(&'a str),
    /// With its escapes replaced.
    Unescaped(CompactString),
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Unescaped(text) => text,
        }
    }
}

impl From<Text<'_>> for CompactString {
    #[inline]
    fn from(text: Text<'_>) -> Self {
        match text {
            Text::Plain(text) => Self::new(text),
            Text::Unescaped(text) => text,
        }
    }
}

impl<'a> JsonCursor<'a> {
    /// Text, without its escapes.
    #[inline]
    pub(in crate::codec) fn text(&mut self) -> Result<Text<'a>, DecodeError> {
        let start = self.open_text()?;
        self.plain_text();
        if self.byte() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Text::Plain(text));
        }
        self.escaped_text(start).map(Text::Unescaped)
    }

    /// The part of a text in front of its first colon; what follows is passed over. Names of types
    /// have the same long namespace behind the colon, each time with escapes.
    pub(in crate::codec) fn text_to_colon(&mut self) -> Result<Text<'a>, DecodeError> {
        let start = self.open_text()?;
        let rest = &self.text.as_bytes()[start..];
        let stop = rest.iter().position(|byte| matches!(byte, b':' | b'"' | b'\\' | 0..0x20));
        if let Some(length) = stop
            && rest[length] == b':'
        {
            let text = &self.text[start..start + length];
            self.at = start + length;
            self.skip_open_text()?;
            return Ok(Text::Plain(text));
        }
        self.at = start - 1;
        match self.text()? {
            Text::Plain(text) => Ok(Text::Plain(before_colon(text))),
            Text::Unescaped(text) => Ok(Text::Unescaped(before_colon(&text).into())),
        }
    }

    /// Passes the quotation mark of a text and says where its content begins.
    #[inline]
    fn open_text(&mut self) -> Result<usize, DecodeError> {
        if self.skip_space() != Some(b'"') {
            return Err(self.error(DecodeCode::WrongType, "text is expected"));
        }
        self.at += 1;
        Ok(self.at)
    }

    /// Passes over the part of a text that needs no look.
    #[inline]
    fn plain_text(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let (words, _) = rest.as_chunks::<8>();
        for (at, word) in words.iter().enumerate() {
            let marks = special_bytes(u64::from_le_bytes(*word));
            if marks != 0 {
                self.at += 8 * at + (marks.trailing_zeros() / 8) as usize;
                return;
            }
        }
        let tail = &rest[8 * words.len()..];
        let plain = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        self.at += 8 * words.len() + plain.unwrap_or(tail.len());
    }

    fn escaped_text(&mut self, start: usize) -> Result<CompactString, DecodeError> {
        let mut text = CompactString::new(&self.text[start..self.at]);
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.malformed("the text's end is expected")),
            }
            let plain_from = self.at;
            self.plain_text();
            text.push_str(&self.text[plain_from..self.at]);
        }
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        self.at += 1;
        let character = match self.byte() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.malformed("an escape is expected")),
        };
        self.at += 1;
        Ok(character)
    }

    /// `uXXXX`, twice for a character beyond the first plane.
    fn unicode_escape(&mut self) -> Result<char, DecodeError> {
        let unit = self.hex_unit()?;
        let lone = "half of a surrogate pair: the text is not Unicode";
        let number = match unit {
            0xd800..=0xdbff => {
                if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    return Err(self.error(DecodeCode::InvalidText, lone));
                }
                self.at += 1;
                let second = self.hex_unit()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.error(DecodeCode::InvalidText, lone));
                }
                0x1_0000 + ((u32::from(unit) - 0xd800) << 10) + (u32::from(second) - 0xdc00)
            }
            other => u32::from(other),
        };
        char::from_u32(number).ok_or_else(|| self.error(DecodeCode::InvalidText, lone))
    }

    /// `uXXXX` as one UTF-16 unit.
    fn hex_unit(&mut self) -> Result<u16, DecodeError> {
        self.at += 1;
        let mut unit = 0_u16;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit.and_then(|digit| u16::try_from(digit).ok()) else {
                return Err(self.malformed("a hexadecimal digit is expected"));
            };
            unit = (unit << 4) | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// Passes over a text.
    pub(super) fn skip_text(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        self.skip_open_text()
    }

    /// Passes over what is left of a text.
    fn skip_open_text(&mut self) -> Result<(), DecodeError> {
        loop {
            self.plain_text();
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.byte() {
                        Some(b'u') => self.hex_unit().map(|_| ())?,
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                            self.at += 1;
                        }
                        _ => return Err(self.malformed("an escape is expected")),
                    }
                }
                _ => return Err(self.malformed("the text's end is expected")),
            }
        }
    }
}

fn before_colon(text: &str) -> &str {
    text.split(':').next().unwrap_or_default()
}

/// The highest bit of each byte that is a quotation mark, a backslash or a control character. Bits
/// above the lowest that is set may be wrong: a borrow can run into them.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below = |limit: u64, word: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let equals = |byte: u8| below(1, word ^ (ONES * u64::from(byte)));
    below(0x20, word) | equals(b'"') | equals(b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(json: &str) -> Result<String, DecodeCode> {
        let mut cursor = JsonCursor::new(json.as_bytes()).unwrap();
        let text = cursor.text().map(|text| text.to_string());
        text.and_then(|text| cursor.end().map(|()| text)).map_err(|error| error.code)
    }

    fn skip(json: &[u8]) -> Result<(), DecodeCode> {
        let skipped = JsonCursor::new(json).and_then(|mut cursor| {
            cursor.skip()?;
            cursor.end()
        });
        skipped.map_err(|error| error.code)
    }

    #[test]
    fn escapes_become_characters() {
        assert_eq!(
            text(r#""\/Date(1)\/ \" \\ \b\f\n\r\t""#).unwrap(),
            "/Date(1)/ \" \\ \u{8}\u{c}\n\r\t"
        );
        assert_eq!(text(r#""\u00fc\u000a\ud83d\ude00\u0000""#).unwrap(), "ü\n😀\0");
        assert_eq!(text("\"zł 😀\"").unwrap(), "zł 😀");
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for json in
            [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\n""#, r#""\ud83d\u0041""#]
        {
            assert_eq!(text(json), Err(DecodeCode::InvalidText), "{json}");
            // Where nobody looks it does no harm.
            assert_eq!(skip(json.as_bytes()), Ok(()), "{json}");
        }
    }

    #[test]
    fn broken_text_is_refused() {
        for json in [r#""a"#, r#""\"#, r#""\u00"#, r#""\ud83d\u"#] {
            assert_eq!(text(json), Err(DecodeCode::Truncated), "{json}");
            assert_eq!(skip(json.as_bytes()), Err(DecodeCode::Truncated), "{json}");
        }
        for json in ["\"a\nb\"", r#""\x""#, r#""\u00g0""#] {
            assert_eq!(text(json), Err(DecodeCode::Malformed), "{json}");
            assert_eq!(skip(json.as_bytes()), Err(DecodeCode::Malformed), "{json}");
        }
        assert_eq!(JsonCursor::new(b"\"\xff\"").unwrap_err().code, DecodeCode::InvalidText);
    }

    #[test]
    fn a_type_is_known_by_what_stands_before_the_colon() {
        for (json, expected) in [
            (r#""Money:http:\/\/x""#, "Money"),
            (r#""Money""#, "Money"),
            (r#""Mon\u0065y:http:\/\/x""#, "Money"),
            (r#""Mon\u0065y""#, "Money"),
            (r#"":x""#, ""),
        ] {
            let mut cursor = JsonCursor::new(json.as_bytes()).unwrap();
            assert_eq!(&*cursor.text_to_colon().unwrap(), expected, "{json}");
            cursor.end().unwrap();
        }
        for json in [r#""Money:http:\x""#, r#""Money:"#, r#""Money"#, "\"Money:\n\""] {
            let mut cursor = JsonCursor::new(json.as_bytes()).unwrap();
            assert!(cursor.text_to_colon().is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn special_bytes_are_found_wherever_they_are(bytes in any::<[u8; 8]>()) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            let marks = special_bytes(u64::from_le_bytes(bytes));
            let found = (marks != 0).then_some((marks.trailing_zeros() / 8) as usize);
            prop_assert_eq!(found, first);
        }

        #[test]
        fn every_text_is_read_as_it_was(content in any::<String>()) {
            prop_assert_eq!(text(&serde_json::to_string(&content).unwrap()).unwrap(), content);
        }
    }
}
