//! Moments at the ends of the calendar, beyond them, and texts that are no moments.

use keepstep::model::value::{Ticks, Value};

use super::case::{CANARY, Case, End, held_in, row, undecodable};
use super::check;

fn at(text: &str) -> End {
    row(&[("at", text)])
}

fn beyond() -> End {
    held_in("at", "time_out_of_range", "years 1 to 9999")
}

fn no_moment() -> End {
    held_in("at", "wrong_type", "untyped text does not fit the column's type timestamp")
}

fn untyped(text: &str, end: impl Fn() -> End) -> [Case; 2] {
    let json = serde_json::to_string(text).unwrap();
    [
        Case::json(&format!("{text:?} in JSON"), "at", &json, end()),
        Case::dataverse(&format!("{text:?} from Dataverse"), "at", &json, end()),
    ]
}

#[tokio::test]
async fn texts() {
    let cases = [
        untyped("0001-01-01T00:00:00Z", || at("0001-01-01 00:00:00.000")),
        untyped("9999-12-31T23:59:59.999Z", || at("9999-12-31 23:59:59.999")),
        untyped("2024-02-29", || at("2024-02-29 00:00:00.000")),
        untyped("2024-05-01T12:00:00.0005Z", || at("2024-05-01 12:00:00.001")),
        untyped("2024-05-01T00:30:00+01:00", || at("2024-04-30 23:30:00.000")),
        untyped("/Date(-62135596800000)/", || at("0001-01-01 00:00:00.000")),
        untyped("/Date(253402300799999)/", || at("9999-12-31 23:59:59.999")),
        // Finer than a millisecond, and rounded it would lie in the year 10000.
        untyped("9999-12-31T23:59:59.9999999Z", beyond),
        untyped("0000-12-31T23:59:59Z", beyond),
        untyped("0001-01-01T00:30:00+01:00", beyond),
        untyped("9999-12-31T23:30:00-01:00", beyond),
        untyped("10000-01-01T00:00:00Z", beyond),
        untyped("+10000-01-01", beyond),
        untyped("-0001-01-01T00:00:00Z", beyond),
        untyped("/Date(-62135596800001)/", beyond),
        untyped("/Date(253402300800000)/", beyond),
        untyped("/Date(9223372036854775807)/", beyond),
        untyped("/Date(-9223372036854775808)/", beyond),
        untyped("/Date(99999999999999999999)/", beyond),
        untyped("/Date()/", no_moment),
        untyped("/Date(1", no_moment),
        untyped("/Date(1+2)/", no_moment),
        untyped("/Date(é)/", no_moment),
        untyped("2023-02-29T00:00:00Z", no_moment),
        untyped("2023-13-01", no_moment),
        untyped("2023-01-01T25:00:00Z", no_moment),
        untyped("yesterday", no_moment),
        untyped("", no_moment),
        untyped(CANARY, no_moment),
        untyped("٢٠٢٤-٠١-٠١", no_moment),
    ];
    check(cases.concat()).await;
}

#[tokio::test]
async fn with_a_type() {
    let ticks = |number: i64| Value::Timestamp(Ticks::new(number).unwrap());
    let last = 3_155_378_975_999_999_999;
    let json = |json: &str, end| Case::json(json, "at", json, end);
    let days = |days: i32, end| Case::avro(&format!("day {days}"), "at", Value::Date(days), end);
    check(vec![
        Case::avro("the first tick", "at", ticks(0), at("0001-01-01 00:00:00.000")),
        Case::avro("the last tick", "at", ticks(last), beyond()),
        Case::avro(
            "the last millisecond",
            "at",
            ticks(last - 9_999),
            at("9999-12-31 23:59:59.999"),
        ),
        days(-719_162, at("0001-01-01 00:00:00.000")),
        days(-719_163, beyond()),
        days(2_932_896, at("9999-12-31 00:00:00.000")),
        days(2_932_897, beyond()),
        days(i32::MIN, beyond()),
        days(i32::MAX, beyond()),
        json(r#"{"timestamp":-1}"#, undecodable("out_of_range")),
        json(r#"{"timestamp":3155378976000000000}"#, undecodable("out_of_range")),
        json(r#"{"timestamp":"0000-01-01"}"#, undecodable("out_of_range")),
        json(r#"{"timestamp":"Zeppelin4711"}"#, undecodable("out_of_range")),
        json(r#"{"date":"10000-01-01"}"#, undecodable("out_of_range")),
        json(r#"{"date":"2023-02-30"}"#, undecodable("out_of_range")),
        json(r#"{"date":99999999999}"#, undecodable("out_of_range")),
        json("1608007658000", held_in("at", "wrong_type", "long does not fit")),
        json("true", held_in("at", "wrong_type", "boolean does not fit")),
    ])
    .await;
}
