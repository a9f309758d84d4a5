//! Names and texts inside a statement's text.
//!
//! The only place that puts quotes around anything. Whatever a name or a text holds, it stays one
//! name or one text: closing brackets and quotes are doubled. Brackets and apostrophes mean the
//! same under every setting of a session; double quotes do not, so they are used for one engine
//! alone.

use crate::destination::own_tables::TableKey;

/// A name in brackets: schema, table, column, constraint.
pub(super) fn name(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// A name in double quotes, for an engine that reads no doubled bracket. Needs a session with
/// QUOTED_IDENTIFIER ON.
pub(super) fn name_in_double_quotes(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Schema and name, quoted and joined.
pub(super) fn qualified(schema: &str, object: &str) -> String {
    format!("{}.{}", name(schema), name(object))
}

/// A table of the registry, quoted and joined.
pub(super) fn key(key: &TableKey) -> String {
    qualified(&key.schema, &key.name)
}

/// A text literal of type `nvarchar`.
///
/// U+0000, which ends a text for some programs between here and the server, becomes U+FFFD. A
/// backslash at the end of a line would take both out of the literal, so there it is taken apart.
/// Source: SQL Server documentation, "Backslash (Line Continuation)".
pub(super) fn text(text: &str) -> String {
    let doubled = text.replace('\'', "''").replace('\0', "\u{fffd}");
    let folds = doubled.contains("\\\n") || doubled.contains("\\\r");
    if !folds {
        return format!("N'{doubled}'");
    }
    let apart = doubled.replace("\\\n", "\\' + N'\n").replace("\\\r", "\\' + N'\r");
    // Parts of bounded length make a sum of bounded length; one without bound makes it boundless.
    format!("(CAST(N'' AS nvarchar(max)) + N'{apart}')")
}

/// A literal of ASCII letters, digits and hyphens (a profile's id, a state), of type `varchar`;
/// anything else in it becomes a question mark.
pub(super) fn word(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let letters: String =
        word.chars().map(|letter| if plain(letter) { letter } else { '?' }).collect();
    format!("'{letters}'")
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn hostile_names_and_texts_stay_one_token() {
        assert_eq!(name("contact"), "[contact]");
        assert_eq!(name("EPK[dbo].[account]"), "[EPK[dbo]].[account]]]");
        assert_eq!(name("a]; DROP TABLE b; --"), "[a]]; DROP TABLE b; --]");
        assert_eq!(name_in_double_quotes("a\"b"), "\"a\"\"b\"");
        assert_eq!(qualified("d.bo", "x"), "[d.bo].[x]");
        assert_eq!(text("it's"), "N'it''s'");
        assert_eq!(text("a\0b\\c"), "N'a\u{fffd}b\\c'");
        assert_eq!(text("a\\\nb"), "(CAST(N'' AS nvarchar(max)) + N'a\\' + N'\nb')");
        assert_eq!(word("head-quarters_1"), "'head-quarters_1'");
        assert_eq!(word("it's é"), "'it?s??'");
    }

    /// Reads a token from behind its opening quote: its content, and what comes behind it.
    fn read(text: &str, closing: char) -> Option<(String, &str)> {
        let mut content = String::new();
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let next = letters.peek().map(|(_, next)| *next);
            if letter == closing {
                if next != Some(closing) {
                    return text.get(at + closing.len_utf8()..).map(|rest| (content, rest));
                }
                letters.next();
            } else if closing == '\'' && letter == '\\' && matches!(next, Some('\n' | '\r')) {
                // A line that goes on: backslash and end of line are no part of the text.
                letters.next();
                continue;
            }
            content.push(letter);
        }
        None
    }

    /// Reads a text literal, or the sum that one was taken apart to.
    fn read_text(literal: &str) -> Option<String> {
        let sum = literal.strip_prefix("(CAST(N'' AS nvarchar(max)) + ");
        let mut rest = match sum {
            Some(sum) => sum.strip_suffix(')')?,
            None => literal,
        };
        let mut all = String::new();
        loop {
            let (content, behind) = read(rest.strip_prefix("N'")?, '\'')?;
            all.push_str(&content);
            match (behind, sum) {
                ("", _) => return Some(all),
                (behind, Some(_)) => rest = behind.strip_prefix(" + ")?,
                (_, None) => return None,
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_breaks_out(content in "[ a\"'\\\\;\\[\\],N\u{0}\r\né\u{1f600}-]{0,16}") {
            let bracketed = name(&content);
            let read_name = bracketed.strip_prefix('[').and_then(|rest| read(rest, ']'));
            prop_assert_eq!(read_name, Some((content.clone(), "")));
            let quoted = name_in_double_quotes(&content);
            let read_name = quoted.strip_prefix('"').and_then(|rest| read(rest, '"'));
            prop_assert_eq!(read_name, Some((content.clone(), "")));
            prop_assert_eq!(read_text(&text(&content)), Some(content.replace('\0', "\u{fffd}")));
            let plain = word(&content);
            let inner = plain.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap();
            prop_assert!(!inner.contains(['\'', '\\', '\n', '\r']));
        }
    }
}
