//! Texts out of words, cut to what their column holds.

use std::fmt::Write as _;

use compact_str::CompactString;

use super::dice::Dice;
use super::maker::Words;
use super::words::{CULTURES, City, Culture, DEALS, REMARKS, WIDE};

/// Longest note that is made, in UTF-16 units.
const LONGEST_NOTE_UNITS: usize = 40_000;

/// Where somebody or something is at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    culture: u8,
    city: u8,
}

impl Home {
    /// Some home.
    pub(super) fn of(dice: &mut Dice) -> Self {
        let culture = dice.below(CULTURES.len());
        let city = dice.below(CULTURES[culture].city.len());
        Self { culture: u8::try_from(culture).unwrap_or(0), city: u8::try_from(city).unwrap_or(0) }
    }

    /// Number of its culture.
    pub(super) fn number(self) -> usize {
        usize::from(self.culture)
    }

    /// Its culture.
    pub(super) fn culture(self) -> &'static Culture {
        const { &CULTURES }.get(self.number()).unwrap_or(const { &CULTURES[0] })
    }

    /// Its city.
    pub(super) fn city(self) -> &'static City {
        let cities = self.culture().city;
        &cities[usize::from(self.city) % cities.len()]
    }
}

/// A text for a column of at most so many UTF-16 units (none: unbounded). Never empty.
pub(super) fn text(
    words: Words,
    home: Home,
    max_units: Option<usize>,
    dice: &mut Dice,
) -> CompactString {
    let text = match (words, max_units) {
        (Words::Note, _) => note(home, max_units.unwrap_or(LONGEST_NOTE_UNITS), dice),
        // Now and then a column is full to the last unit.
        (Words::Remark | Words::Firm | Words::Deal, Some(units)) if dice.chance(4) => {
            full(units, dice)
        }
        _ => short(words, home, dice),
    };
    match max_units {
        Some(units) => cut(&text, units).into(),
        None => text.into(),
    }
}

fn short(words: Words, home: Home, dice: &mut Dice) -> String {
    let culture = home.culture();
    match words {
        Words::Firm => format!(
            "{} {} {}",
            dice.pick(culture.firm),
            dice.pick(culture.trade),
            dice.pick(culture.form)
        ),
        Words::Deal => {
            format!("{} – {} {}", dice.pick(&DEALS), dice.pick(culture.firm), dice.within(1..=999))
        }
        Words::Product => format!("{} {}", dice.pick(culture.trade), code(dice)),
        Words::First => (*dice.pick(culture.first)).to_owned(),
        Words::Last => (*dice.pick(culture.last)).to_owned(),
        Words::Somebody => format!("{} {}", dice.pick(culture.first), dice.pick(culture.last)),
        Words::Post => (*dice.pick(culture.post)).to_owned(),
        Words::Telephone => format!(
            "{} {} {:04} {:03}",
            culture.telephone,
            dice.within(20..=999),
            dice.within(0..=9_999),
            dice.within(0..=999)
        ),
        Words::Mail => {
            let domain = culture.domain;
            format!("{}.{}@example.{domain}", code(dice).to_lowercase(), dice.within(1..=9_999))
        }
        Words::Web => format!("https://www.example.{}/{}", culture.domain, dice.within(1..=99_999)),
        Words::Street => format!("{} {}", dice.pick(culture.street), dice.within(1..=240)),
        Words::City => home.city().name.to_owned(),
        Words::Region => home.city().region.to_owned(),
        Words::Country => culture.country.to_owned(),
        Words::Postal => format!("{}{:03}", home.city().postal, dice.within(0..=999)),
        Words::Code => code(dice),
        Words::Remark | Words::Note => (*dice.pick(&REMARKS)).to_owned(),
    }
}

fn code(dice: &mut Dice) -> String {
    const LETTERS: [char; 8] = ['A', 'C', 'E', 'H', 'K', 'M', 'R', 'X'];
    format!("{}{}-{:05}", dice.pick(&LETTERS), dice.pick(&LETTERS), dice.within(0..=99_999))
}

/// Sentences, mostly a few, now and then a great many.
fn note(home: Home, max_units: usize, dice: &mut Dice) -> String {
    let sentences = match dice.below(1_000) {
        0..3 if max_units > 4_000 => 400,
        0..60 => 30,
        _ => 1 + dice.below(4),
    };
    let mut text = String::new();
    for number in 0..sentences {
        let sentence = dice.pick(home.culture().sentence);
        let between = if number == 0 { "" } else { *dice.pick(&[" ", "\n", "\r\n", "\t"]) };
        // Writing to a String cannot fail.
        let _ = write!(text, "{between}{sentence}");
        if text.len() > 4 * LONGEST_NOTE_UNITS {
            break;
        }
    }
    text
}

/// A text that is exactly so many UTF-16 units long, most of them halves of wide characters.
fn full(units: usize, dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..units / 2 {
        text.push(*dice.pick(&WIDE));
    }
    if units % 2 == 1 {
        text.push('ß');
    }
    text
}

/// The beginning of a text that has at most so many UTF-16 units; no character is torn.
pub(super) fn cut(text: &str, max_units: usize) -> &str {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        units += character.len_utf16();
        if units > max_units {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Words; 18] = [
        Words::Firm,
        Words::Deal,
        Words::Product,
        Words::First,
        Words::Last,
        Words::Somebody,
        Words::Post,
        Words::Telephone,
        Words::Mail,
        Words::Web,
        Words::Street,
        Words::City,
        Words::Region,
        Words::Country,
        Words::Postal,
        Words::Code,
        Words::Remark,
        Words::Note,
    ];

    #[test]
    fn every_text_fits_and_says_something() {
        let mut dice = Dice::new(1);
        let mut longest = 0;
        for round in 0..20_000 {
            let home = Home::of(&mut dice);
            let words = ALL[round % ALL.len()];
            let max_units = 1 + dice.below(50);
            let made = text(words, home, Some(max_units), &mut dice);
            let units = made.encode_utf16().count();
            assert!((1..=max_units).contains(&units) || max_units == 1, "{words:?} {made:?}");
            assert!(!made.contains('\0'));
            longest = longest.max(text(words, home, None, &mut dice).len());
        }
        assert!(longest > 10_000, "{longest}");
    }

    #[test]
    fn a_cut_tears_no_character() {
        assert_eq!(cut("a😀b", 2), "a");
        assert_eq!(cut("a😀b", 3), "a😀");
        assert_eq!(cut("abc", 9), "abc");
        let mut dice = Dice::new(2);
        assert_eq!(full(7, &mut dice).encode_utf16().count(), 7);
        assert_eq!(full(100, &mut dice).encode_utf16().count(), 100);
    }
}
