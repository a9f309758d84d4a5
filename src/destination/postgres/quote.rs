//! Names and texts inside a statement's text.
//!
//! The only place that puts quotes around anything. Whatever a name or a text holds, it stays one
//! name or one text: quotes are doubled, and a backslash never depends on the server's settings.

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
}
