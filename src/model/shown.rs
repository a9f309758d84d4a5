//! Names from outside, made fit for people's eyes.
//!
//! A name may stand in a cause, a reason or a log line, and comes from whoever writes to the log.
//! Promises: what is shown stays on its line, in its order, and on the screen where it was put; and
//! it has a bounded length. Pure.

use std::fmt::{self, Write as _};

/// Longest name that is shown, in characters; the rest is cut.
pub const MAX_SHOWN_NAME: usize = 64;

/// Whether a character changes how the text around it looks, instead of being seen itself: controls,
/// ends of lines, marks and overrides of direction, and letters without width (Unicode, Annex 9
/// "Bidirectional Algorithm", and Technical Report 36 "Security Considerations").
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
        )
}

/// A name, cut and with what is deceptive in it replaced.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(MAX_SHOWN_NAME) {
            f.write_char(if is_deceptive(character) { '\u{fffd}' } else { character })?;
        }
        if characters.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_cleaned() {
        assert_eq!(Shown("new_name Ä").to_string(), "new_name Ä");
        for deceptive in
            ["\0", "\n", "\u{1b}", "\u{7f}", "\u{85}", "\u{202e}", "\u{2066}", "\u{feff}"]
        {
            assert_eq!(Shown(&format!("a{deceptive}b")).to_string(), "a\u{fffd}b", "{deceptive:?}");
        }
        assert_eq!(Shown(&"ü".repeat(MAX_SHOWN_NAME)).to_string().chars().count(), MAX_SHOWN_NAME);
        let long = Shown(&"ü".repeat(1_000)).to_string();
        assert_eq!(long.chars().count(), MAX_SHOWN_NAME + 1);
    }
}
