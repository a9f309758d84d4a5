//! Writes the pieces of JSON that our own shape and Dataverse's share.

use std::fmt::Write as _;

/// How a text is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Escape {
    /// Only what must be.
    Least,
    /// Solidus too, as .NET's serialiser does.
    Solidus,
}

/// Appends a text in quotes.
pub(in crate::codec) fn text(out: &mut String, content: &str, escape: Escape) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in content.bytes().enumerate() {
        let needless = match byte {
            b'"' | b'\\' | 0..0x20 => false,
            b'/' => escape == Escape::Least,
            _ => true,
        };
        if needless {
            continue;
        }
        // Every byte that is escaped is a character of its own.
        out.push_str(&content[plain_from..at]);
        if byte < 0x20 {
            push(out, format_args!("\\u{byte:04x}"));
        } else {
            out.push('\\');
            out.push(char::from(byte));
        }
        plain_from = at + 1;
    }
    out.push_str(&content[plain_from..]);
    out.push('"');
}

/// Appends whatever can be printed.
pub(in crate::codec) fn push(out: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(content);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_general_reader_reads_every_text(content in any::<String>()) {
            for escape in [Escape::Least, Escape::Solidus] {
                let mut out = String::new();
                text(&mut out, &content, escape);
                prop_assert_eq!(&serde_json::from_str::<String>(&out).unwrap(), &content);
            }
        }
    }

    #[test]
    fn dataverse_escapes_the_solidus() {
        let mut out = String::new();
        text(&mut out, "/Date(1)/\n", Escape::Solidus);
        assert_eq!(out, r#""\/Date(1)\/\u000a""#);
    }
}
