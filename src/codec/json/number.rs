//! Numbers of JSON, exactly as they are written.

use crate::model::decimal::Decimal;
use crate::model::value::Value;

/// The value of a bare number: the first of 32-bit, 64-bit and exact decimal that holds it. Written
/// with an exponent and beyond 38 digits it is a float, which is what its producer had; `None` if
/// nothing holds it.
pub(in crate::codec) fn number_value(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(i32::try_from(number).map_or(Value::Long(number), Value::Integer));
    }
    match text.parse::<Decimal>() {
        Ok(number) => Some(Value::Decimal(number)),
        Err(_) if text.contains(['e', 'E']) => finite(text).map(Value::Double),
        Err(_) => None,
    }
}

/// A number as a float; `None` beyond the largest.
pub(in crate::codec) fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_exact() {
        let decimal = |text: &str| Some(Value::Decimal(text.parse().unwrap()));
        assert_eq!(number_value("0"), Some(Value::Integer(0)));
        assert_eq!(number_value("-2147483648"), Some(Value::Integer(i32::MIN)));
        assert_eq!(number_value("2147483648"), Some(Value::Long(2_147_483_648)));
        assert_eq!(number_value("9223372036854775808"), decimal("9223372036854775808"));
        // Beyond what a float holds, and with the scale that was written.
        assert_eq!(number_value("0.1000000000000000055511"), decimal("0.1000000000000000055511"));
        assert_eq!(number_value("1.0000000000"), decimal("1.0000000000"));
        assert_eq!(number_value("1E-05"), decimal("0.00001"));
        assert_eq!(number_value("1e2"), decimal("100"));
    }

    #[test]
    fn what_no_type_holds_is_none() {
        assert_eq!(number_value("1.7976931348623157E+308"), Some(Value::Double(f64::MAX)));
        assert_eq!(number_value("1e999"), None);
        assert_eq!(number_value(&"9".repeat(39)), None);
        assert_eq!(number_value(&format!("0.{}", "1".repeat(39))), None);
    }
}
