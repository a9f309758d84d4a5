//! Makes values and whole records.

use uuid::Uuid;

use super::Organisation;
use super::book::Kept;
use super::dice::Dice;
use super::maker::Maker;
use super::phrases::{Home, text};
use super::plain::Plain;
use super::rules::exchange_rate;

/// 100 ns in a day.
const TICKS_PER_DAY: i64 = 86_400 * 10_000_000;
/// 100 ns in a millisecond.
const TICKS_PER_MS: i64 = 10_000;

impl Organisation {
    /// A value for a field of a record.
    pub(super) fn make(&mut self, kept: Kept, at: usize, id: Uuid, home: Home) -> Plain {
        let Self { dice, books, pools, now, .. } = self;
        let book = &books[kept.number()];
        let field = &book.fields[at];
        // The source's own encoding of moments knows milliseconds only.
        let grain = if kept.is_versioned() { 1 } else { TICKS_PER_MS };
        match &field.maker {
            Maker::Never | Maker::Ruled => Plain::Nothing,
            Maker::OwnId => Plain::Id(id),
            Maker::Id => Plain::Id(dice.id()),
            Maker::Flag => Plain::Flag(dice.chance(300)),
            Maker::Whole(range) => Plain::Whole(dice.within(range.clone())),
            Maker::Number(range) => number(dice.within(range.clone()), field.places, dice),
            Maker::Latitude => near(home.city().latitude, dice),
            Maker::Longitude => near(home.city().longitude, dice),
            Maker::MadeAt | Maker::ChangedAt => Plain::Moment(*now / grain * grain),
            Maker::Moment(days) => {
                let ticks = *now + dice.within(days.clone()) * TICKS_PER_DAY;
                let ticks = ticks + dice.within(0..=TICKS_PER_DAY);
                Plain::Moment(ticks / grain * grain)
            }
            Maker::Day(days) => {
                Plain::Day(i32::try_from(dice.within(days.clone())).unwrap_or_default())
            }
            Maker::Option(options) => Plain::Option(*dice.pick(options)),
            Maker::Status(pairs) => Plain::Option(dice.pick(pairs).0),
            Maker::Options(options) => some_of(options, dice),
            Maker::Words(words) => Plain::Text(text(*words, home, field.max_units(), dice)),
            Maker::Link(parties) => {
                let party = *dice.pick(parties);
                let target = match Kept::of(party) {
                    Some(kept) => books[kept.number()].pick(dice),
                    None => Some(*dice.pick(&pools[party as usize])),
                };
                // Nobody refers to himself.
                let target = target.filter(|target| *target != id);
                target.map_or(Plain::Nothing, |target| Plain::Link(target, party))
            }
        }
    }

    /// Values for a new record, all that follows from others included.
    pub(super) fn make_record(&mut self, kept: Kept, id: Uuid, home: Home) -> Vec<Plain> {
        let count = self.books[kept.number()].fields.len();
        let mut values = Vec::with_capacity(count);
        for at in 0..count {
            let filled = self.dice.chance(self.books[kept.number()].fields[at].fill);
            values.push(if filled { self.make(kept, at, id, home) } else { Plain::Nothing });
        }
        let set = |values: &mut Vec<Plain>, at: Option<usize>, value: Plain| {
            if let Some(at) = at {
                values[at] = value;
            }
        };
        let currency = self.currency(home);
        let book = &self.books[kept.number()];
        set(&mut values, book.field("transactioncurrencyid"), currency);
        set(&mut values, book.field("exchangerate"), exchange_rate(home));
        let mut touched: Vec<usize> = (0..count).collect();
        book.rules.follow(&book.fields, &mut values, &mut touched, home);
        values
    }
}

/// A number of so many units, with digits after the point: none, as many as the column, some more,
/// or one more that is exactly half a unit of the column's last.
fn number(units: i64, column_places: u8, dice: &mut Dice) -> Plain {
    let places = match dice.below(20) {
        0..3 => 0,
        3..13 => column_places,
        13..17 => column_places + u8::try_from(1 + dice.below(3)).unwrap_or(1),
        _ => column_places + 1,
    };
    let half = places == column_places + 1;
    let scale = 10_i64.pow(u32::from(places));
    let mut digits = units * scale + dice.within(0..=scale - 1);
    if half {
        digits = digits - digits.rem_euclid(10) + 5;
    }
    Plain::Number { digits, places }
}

/// Within some kilometres of a place in 1/100,000 degree; finer than the column.
fn near(hundred_thousandths: i64, dice: &mut Dice) -> Plain {
    Plain::Number { digits: hundred_thousandths * 100 + dice.within(-900_000..=900_000), places: 7 }
}

/// One to four of the options, ascending.
fn some_of(options: &[i32], dice: &mut Dice) -> Plain {
    if options.is_empty() {
        return Plain::Nothing;
    }
    let mut some: Vec<i32> = (0..=dice.below(4)).map(|_| *dice.pick(options)).collect();
    some.sort_unstable();
    some.dedup();
    Plain::Options(some.into_boxed_slice())
}
