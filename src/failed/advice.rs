//! What to do about each cause: one closed table, for the list, its summary and the manual.
//!
//! `docs/failures.md` has a section for each; a test compares them, and another sees that every
//! cause of the model is here.

use crate::model::held::HeldCause;

/// What is said when a cause is not known: it comes from a later version.
const UNKNOWN: &str = "This keepstep does not know the cause; use the version that wrote it.";

/// Every cause and what to do about it.
pub const ADVICE: [(&str, &str); 21] = [
    (
        "undecodable",
        "Look at the detail, and correct the producer; then let the source send the record again.",
    ),
    (
        "key_mismatch",
        "Make the producer use the record's id as key, or put `keepstep relay` in between.",
    ),
    (
        "null_payload",
        "Nothing can be written of it: correct the producer, change the record, or dismiss it.",
    ),
    (
        "stripped",
        "The source left the content out because of its size: change the record there, or send it \
         by another way, and dismiss this entry.",
    ),
    (
        "text_too_long",
        "Widen the column and the definition, or shorten the text in the source; then re-sync.",
    ),
    ("text_has_nul", "Remove the character U+0000 from the text in the source."),
    (
        "number_out_of_range",
        "Widen the column and the definition, or correct the number in the source; then re-sync.",
    ),
    ("time_out_of_range", "Correct the date in the source; the years 1 to 9999 can be written."),
    (
        "wrong_type",
        "Compare the definition with the source, and correct the one that is wrong; then re-sync.",
    ),
    (
        "unknown_attribute",
        "Export the entity's definition anew, or write unknown_attributes = \"drop\"; then re-sync.",
    ),
    ("repeated_attribute", "Correct the producer: an attribute may stand once in a notification."),
    (
        "version_missing",
        "Make the producer send the row version, or declare the entity versioned = false.",
    ),
    ("version_unexpected", "Declare the entity versioned = true, or send no row versions."),
    ("unexpected_patch", "Make the producer send full images, or write images_only = false."),
    (
        "contradiction",
        "Correct the producer: one notification says two things of one record; then change the \
         record.",
    ),
    (
        "no_base",
        "The row is missing in the table: change the record in the source so that a full image \
         comes, or re-sync its entity.",
    ),
    (
        "refused",
        "Look the database's code up: often a constraint, a trigger or a type of its own. Correct \
         that or the record; then re-sync.",
    ),
    (
        HeldCause::WAITS,
        "Nothing by itself: it follows when the earlier change of its record has been settled.",
    ),
    (
        HeldCause::TOO_MANY,
        "Make a full image of the record come (change it in the source), or re-sync its entity from \
         before its first entry: not all of its changes are kept.",
    ),
    (
        HeldCause::GONE,
        "The log no longer has the change: make a full image of the record come, or dismiss it.",
    ),
    (HeldCause::MET_AGAIN, "Nothing: the entry ends when the re-sync of its entity has ended."),
];

/// What to do about a cause.
pub fn advice(code: &str) -> &'static str {
    ADVICE.iter().find(|(known, _)| *known == code).map_or(UNKNOWN, |(_, advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that `Cause::code` can answer, from its text: one for each arm.
    fn codes() -> Vec<&'static str> {
        let source = include_str!("../model/failure.rs");
        let body = source.split("pub fn code(&self)").nth(1).unwrap();
        let body = body.split("\n    }\n").next().unwrap();
        let arms = body.lines().filter_map(|line| line.split_once(" => "));
        let word = |(_, answer): (&'static str, &'static str)| {
            let constant = answer.trim_end_matches(',').strip_prefix("Self::");
            let quoted = match constant {
                None => answer,
                Some(name) => source.split(&format!("const {name}: &str = ")).nth(1).unwrap(),
            };
            quoted.split('"').nth(1).unwrap()
        };
        arms.map(word).collect()
    }

    #[test]
    fn every_cause_has_advice() {
        let mut expected = codes();
        assert!(expected.len() >= 17, "{expected:?}");
        expected.extend(HeldCause::OF_HOLDING);
        let listed: Vec<&str> = ADVICE.iter().map(|(code, _)| *code).collect();
        assert_eq!(listed, expected);
        assert!(advice("text_too_long").starts_with("Widen"));
        assert_eq!(advice("of_the_future"), UNKNOWN);
    }

    #[test]
    fn the_manual_has_a_section_for_each_cause() {
        let manual = include_str!("../../docs/failures.md");
        for (code, _) in ADVICE {
            assert!(manual.contains(&format!("\n### `{code}`\n")), "docs/failures.md: {code}");
        }
        let sections = manual.matches("\n### `").count();
        assert_eq!(sections, ADVICE.len(), "docs/failures.md has a section too many");
    }
}
