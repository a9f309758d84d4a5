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
}
