//! What fields of one record have to do with each other: amounts in the base currency, full names,
//! states that follow from status reasons, sums of a line.
//!
//! As in the source, a field that follows from another one changes together with it.

use super::field::Field;
use super::maker::Maker;
use super::phrases::{Home, cut};
use super::plain::Plain;

/// Digits after the point of amounts in the base currency, as the source computes them: finer than
/// any column.
const BASE_PLACES: u8 = 8;
/// Digits after the point of a line's sums.
const SUM_PLACES: u8 = 6;
/// Digits after the point of rates in `words`.
const RATE_PLACES: u8 = 4;
/// Digits after the point of `exchangerate`.
const EXCHANGE_RATE_PLACES: u8 = 10;

/// One rule; fields by their number.
#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// The amount in the base currency follows from the amount.
    Base { amount: usize, base: usize },
    /// The full name follows from both names.
    FullName { first: usize, last: usize, full: usize },
    /// The state follows from the status reason.
    State { status: usize, state: usize, pairs: Vec<(i32, i32)> },
    /// A line's sum without and with discount and tax.
    Line { quantity: usize, price: usize, discount: usize, tax: usize, sums: [usize; 2] },
}

/// The rules of one entity.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// The rules that apply to these fields.
    pub(super) fn of(fields: &[Field]) -> Self {
        let find = |name: &str| fields.iter().position(|field| field.name == name);
        let mut rules = Vec::new();
        if let (Some(quantity), Some(price), Some(discount), Some(tax), Some(sum), Some(total)) = (
            find("quantity"),
            find("priceperunit"),
            find("manualdiscountamount"),
            find("tax"),
            find("baseamount"),
            find("extendedamount"),
        ) {
            rules.push(Rule::Line { quantity, price, discount, tax, sums: [sum, total] });
        }
        if let (Some(first), Some(last), Some(full)) =
            (find("firstname"), find("lastname"), find("fullname"))
        {
            rules.push(Rule::FullName { first, last, full });
        }
        if let (Some(status), Some(state)) = (find("statuscode"), find("statecode"))
            && let Maker::Status(pairs) = &fields[status].maker
        {
            rules.push(Rule::State { status, state, pairs: pairs.clone() });
        }
        // After the sums, from which some of these follow.
        for (amount, field) in fields.iter().enumerate() {
            if let Some(base) = find(&format!("{}_base", field.name)) {
                rules.push(Rule::Base { amount, base });
            }
        }
        Self { rules }
    }

    /// Brings the fields that follow from `touched` ones in line, and adds them to `touched`.
    pub(super) fn follow(
        &self,
        fields: &[Field],
        values: &mut [Plain],
        touched: &mut Vec<usize>,
        home: Home,
    ) {
        for rule in &self.rules {
            for (at, value) in rule.results(fields, values, touched, home) {
                values[at] = value;
                if !touched.contains(&at) {
                    touched.push(at);
                }
            }
        }
    }
}

impl Rule {
    fn results(
        &self,
        fields: &[Field],
        values: &[Plain],
        touched: &[usize],
        home: Home,
    ) -> Vec<(usize, Plain)> {
        let any = |sources: &[usize]| sources.iter().any(|source| touched.contains(source));
        match self {
            Self::Base { amount, base } if any(&[*amount]) => {
                vec![(*base, in_base_currency(&values[*amount], home))]
            }
            Self::FullName { first, last, full } if any(&[*first, *last]) => {
                let max_units = fields[*full].max_units().unwrap_or(usize::MAX);
                vec![(*full, full_name(&values[*first], &values[*last], max_units))]
            }
            Self::State { status, state, pairs } if any(&[*status]) => {
                let found =
                    pairs.iter().find(|(reason, _)| values[*status] == Plain::Option(*reason));
                vec![(*state, found.map_or(Plain::Nothing, |(_, state)| Plain::Option(*state)))]
            }
            Self::Line { quantity, price, discount, tax, sums }
                if any(&[*quantity, *price, *discount, *tax]) =>
            {
                let sum = product(&values[*quantity], &values[*price]);
                let with = |value: &Plain| at_places(value, SUM_PLACES).unwrap_or(0);
                let total = sum.map(|sum| sum + with(&values[*discount]) + with(&values[*tax]));
                vec![(sums[0], number(sum, SUM_PLACES)), (sums[1], number(total, SUM_PLACES))]
            }
            _ => Vec::new(),
        }
    }
}

/// Units of the record's currency to the base currency.
pub(super) fn exchange_rate(home: Home) -> Plain {
    let digits = home.culture().rate * 10_i64.pow(u32::from(EXCHANGE_RATE_PLACES - RATE_PLACES));
    Plain::Number { digits, places: EXCHANGE_RATE_PLACES }
}

fn in_base_currency(amount: &Plain, home: Home) -> Plain {
    let Some(amount) = at_places(amount, BASE_PLACES + RATE_PLACES) else {
        return Plain::Nothing;
    };
    number(Some(amount / i128::from(home.culture().rate)), BASE_PLACES)
}

fn full_name(first: &Plain, last: &Plain, max_units: usize) -> Plain {
    let text = |value: &Plain| match value {
        Plain::Text(text) => text.to_string(),
        _ => String::new(),
    };
    let full = format!("{} {}", text(first), text(last));
    match cut(full.trim(), max_units) {
        "" => Plain::Nothing,
        full => Plain::Text(full.into()),
    }
}

/// A number as an integer of units with so many digits after the point; finer digits are cut.
fn at_places(value: &Plain, places: u8) -> Option<i128> {
    let Plain::Number { digits, places: own } = value else {
        return None;
    };
    let digits = i128::from(*digits);
    if *own <= places {
        digits.checked_mul(10_i128.checked_pow(u32::from(places - own))?)
    } else {
        Some(digits / 10_i128.checked_pow(u32::from(own - places))?)
    }
}

fn product(left: &Plain, right: &Plain) -> Option<i128> {
    let (left, right) = (at_places(left, SUM_PLACES)?, at_places(right, SUM_PLACES)?);
    Some(left.checked_mul(right)? / 10_i128.pow(u32::from(SUM_PLACES)))
}

/// The number; nothing if there is none, or it has too many digits.
fn number(digits: Option<i128>, places: u8) -> Plain {
    match digits.map(i64::try_from) {
        Some(Ok(digits)) => Plain::Number { digits, places },
        _ => Plain::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    fn money(digits: i64, places: u8) -> Plain {
        Plain::Number { digits, places }
    }

    fn at_home(telephone: &str) -> Home {
        let mut dice = Dice::new(0);
        loop {
            let home = Home::of(&mut dice);
            if home.culture().telephone == telephone {
                return home;
            }
        }
    }

    #[test]
    fn amounts_follow_the_rate() {
        // 100 złoty at 4.2675.
        assert_eq!(in_base_currency(&money(10_000, 2), at_home("+48")), money(2_343_292_325, 8));
        assert_eq!(in_base_currency(&Plain::Nothing, at_home("+48")), Plain::Nothing);
        assert_eq!(exchange_rate(at_home("+48")), money(42_675_000_000, 10));
    }

    #[test]
    fn sums_of_a_line() {
        assert_eq!(product(&money(25, 1), &money(123_456, 4)), Some(30_864_000));
        assert_eq!(
            full_name(&Plain::Text("Ada".into()), &Plain::Nothing, 9),
            Plain::Text("Ada".into())
        );
        assert_eq!(full_name(&Plain::Nothing, &Plain::Nothing, 9), Plain::Nothing);
    }
}
