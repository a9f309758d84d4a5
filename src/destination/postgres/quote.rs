//! Names and texts inside a statement's text.
//!
//! The only place that puts quotes around anything. Whatever a name or a text holds, it stays one
//! name or one text: quotes are doubled, and a backslash never depends on the server's settings.

use std::borrow::Cow;

/// A name, quoted: schema, table, column, constraint.
pub(super) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Schema and name, quoted and joined.
pub(super) fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", name(schema), name(table))
}

/// A text literal.
///
/// With a backslash it becomes an escape string, which reads alike whatever
/// `standard_conforming_strings` says.
pub(super) fn text(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        return format!("E'{}'", doubled.replace('\\', "\\\\"));
    }
    format!("'{doubled}'")
}

/// An array literal of a type, each cell of it in quotes of its own; `None` is null.
///
/// U+0000, which no text of PostgreSQL can hold and which would end the statement, becomes U+FFFD.
pub(super) fn array<'a>(
    cells: impl IntoIterator<Item = Option<Cow<'a, str>>>,
    type_text: &str,
) -> String {
    let mut inner = String::from("{");
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            inner.push(',');
        }
        let Some(cell) = cell else {
            inner.push_str("NULL");
            continue;
        };
        inner.push('"');
        for letter in cell.chars() {
            match letter {
                '"' | '\\' => inner.extend(['\\', letter]),
                '\0' => inner.push(char::REPLACEMENT_CHARACTER),
                _ => inner.push(letter),
            }
        }
        inner.push('"');
    }
    inner.push('}');
    format!("{}::{type_text}[]", text(&inner))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn hostile_names_and_texts_stay_one_token() {
        assert_eq!(name("contact"), "\"contact\"");
        assert_eq!(name("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
        assert_eq!(qualified("d.bo", "x"), "\"d.bo\".\"x\"");
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(text("\\'; --"), "E'\\\\''; --'");
    }

    #[test]
    fn hostile_cells_stay_one_cell() {
        let texts =
            |cells: &[&str]| array(cells.iter().map(|cell| Some(Cow::Borrowed(*cell))), "text");
        assert_eq!(texts(&[]), "'{}'::text[]");
        assert_eq!(texts(&["", "NULL", "a,b}"]), "'{\"\",\"NULL\",\"a,b}\"}'::text[]");
        assert_eq!(texts(&["it's"]), "'{\"it''s\"}'::text[]");
        assert_eq!(texts(&["a\"b\\"]), "E'{\"a\\\\\"b\\\\\\\\\"}'::text[]");
        assert_eq!(texts(&["a\0b"]), "'{\"a\u{fffd}b\"}'::text[]");
        assert_eq!(array([None, Some("7".into())], "bigint"), "'{NULL,\"7\"}'::bigint[]");
    }

    /// Reads a quoted token from its opening quote on: its content and what comes behind it, as
    /// PostgreSQL's scanner does. `escape`: whether a backslash takes the next letter as it is.
    fn read(text: &str, quote: char, escape: bool) -> Option<(String, &str)> {
        let mut letters = text.strip_prefix(quote)?.char_indices().peekable();
        let mut content = String::new();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' if escape => content.push(letters.next()?.1),
                _ if letter != quote => content.push(letter),
                // A cell of an array has no doubled quotes.
                _ if quote == '\'' || !escape => {
                    match letters.next_if(|(_, next)| *next == quote) {
                        Some(_) => content.push(quote),
                        None => return text.get(1 + at + 1..).map(|rest| (content, rest)),
                    }
                }
                _ => return text.get(1 + at + 1..).map(|rest| (content, rest)),
            }
        }
        None
    }

    fn read_text(literal: &str) -> Option<(String, &str)> {
        match literal.strip_prefix('E') {
            Some(escaped) => read(escaped, '\'', true),
            None => read(literal, '\'', false),
        }
    }

    proptest! {
        #[test]
        fn nothing_breaks_out(cells in vec("[ a\"'\\\\;{},NUL\u{0}é]{0,12}", 0..5)) {
            for cell in &cells {
                let (name, literal) = (name(cell), text(cell));
                prop_assert_eq!(read(&name, '"', false), Some((cell.clone(), "")));
                prop_assert_eq!(read_text(&literal), Some((cell.clone(), "")));
            }
            let all = array(cells.iter().map(|cell| Some(Cow::Borrowed(cell.as_str()))), "text");
            let (inner, rest) = read_text(&all).unwrap();
            prop_assert_eq!(rest, "::text[]");
            let mut rest = inner.strip_prefix('{').unwrap();
            for (at, cell) in cells.iter().enumerate() {
                rest = if at > 0 { rest.strip_prefix(',').unwrap() } else { rest };
                let (found, behind) = read(rest, '"', true).unwrap();
                prop_assert_eq!(found, cell.replace('\0', "\u{fffd}"));
                rest = behind;
            }
            prop_assert_eq!(rest, "}");
        }
    }
}
