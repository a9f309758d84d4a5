//! Numbers beyond their column, beyond every type, and no numbers at all. What is finer than the
//! column is rounded half away from zero; nothing else changes a value.

use keepstep::model::decimal::Decimal;
use keepstep::model::value::Value;

use super::case::{CANARY, Case, End, held_in, row, undecodable};
use super::check;

fn amount(name: &str, json: &str, end: End) -> Case {
    Case::json(&format!("{name}: {json:.60}"), "amount", json, end)
}

fn exactly(text: &str) -> End {
    row(&[("amount", text)])
}

fn too_large() -> End {
    held_in("amount", "number_out_of_range", "decimal")
}

fn no_number() -> End {
    undecodable("out_of_range")
}

#[tokio::test]
async fn decimals() {
    let nines = |count: usize| "9".repeat(count);
    let typed = |text: &str| format!(r#"{{"decimal":"{text}"}}"#);
    let text = |text: &str| format!("\"{text}\"");
    let largest = format!("{}.0000", nines(34));
    let nearly = format!("{}.9999", nines(34));
    check(vec![
        amount("as large as the column", &nines(34), exactly(&largest)),
        amount("one digit more", &nines(35), too_large()),
        amount("38 digits", &nines(38), too_large()),
        amount("40 digits", &nines(40), no_number()),
        amount("40 digits behind the point", &format!("0.{}", "1".repeat(40)), no_number()),
        amount("40 digits with a type", &typed(&nines(40)), no_number()),
        amount("40 digits as text", &text(&nines(40)), too_large()),
        amount("a million digits", &nines(1_000_000), no_number()),
        amount("a million noughts", &format!("{}1", "0".repeat(900_000)), undecodable("malformed")),
        amount("a text of noughts", &text(&format!("{}1", "0".repeat(900_000))), exactly("1.0000")),
        amount("rounded away from zero", "1.00005", exactly("1.0001")),
        amount("rounded away from zero, below it", "-1.00005", exactly("-1.0001")),
        amount("rounded to zero", "0.00004999", exactly("0.0000")),
        amount("rounded up into the next digit", "9.99995", exactly("10.0000")),
        amount(
            "rounded into one digit more",
            &format!("{}.99995", nines(33)),
            exactly(&format!("1{}.0000", "0".repeat(33))),
        ),
        amount("as large as 38 digits", &nearly, exactly(&nearly)),
        amount("an exponent", "1.5e3", exactly("1500.0000")),
        amount("a small exponent", "15e-4", exactly("0.0015")),
        amount("far too small", "1e-400", exactly("0.0000")),
        amount("far too large", "1e300", too_large()),
        amount("beyond every float", "1e400", no_number()),
        amount("an exponent beyond its type", "1e99999999999", no_number()),
        amount("the lowest exponent", "1e-2147483648", exactly("0.0000")),
        amount("the highest exponent", "1e2147483647", no_number()),
        amount("nought with an exponent", "0e2147483647", exactly("0.0000")),
        amount("a typed exponent", &typed("1e2147483647"), no_number()),
        amount("no digits", &typed("."), no_number()),
        amount("nothing", &typed(""), no_number()),
        amount("letters", &text(CANARY), held_in("amount", "wrong_type", "untyped text")),
        amount("a sign alone", &text("-"), held_in("amount", "wrong_type", "untyped text")),
        Case::dataverse("money of 40 digits", "amount", &money(&nines(40)), no_number()),
        Case::dataverse("money with an exponent", "amount", &money("1E+2"), exactly("100.0000")),
        Case::dataverse("money that is text", "amount", &money("\"1\""), undecodable("wrong_type")),
        Case::avro("38 digits behind the point", "amount", decimal(1, 38), exactly("0.0000")),
        Case::avro(
            "38 nines in Avro",
            "amount",
            decimal(10_i128.pow(38) - 1, 38),
            exactly("1.0000"),
        ),
        Case::avro(
            "38 digits before it",
            "amount",
            decimal(-(10_i128.pow(38) - 1), 0),
            too_large(),
        ),
    ])
    .await;
}

fn money(value: &str) -> String {
    format!(
        r#"{{"__type":"Money:http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts","Value":{value}}}"#
    )
}

fn decimal(unscaled: i128, scale: u8) -> Value {
    Value::Decimal(Decimal::new(unscaled, scale).unwrap())
}

#[tokio::test]
async fn floats() {
    let float =
        |name: &str, number: f64, end| Case::avro(name, "amount", Value::Double(number), end);
    check(vec![
        float("not a number", f64::NAN, too_large()),
        float("infinite", f64::INFINITY, too_large()),
        float("infinite below zero", f64::NEG_INFINITY, too_large()),
        float("the largest", f64::MAX, too_large()),
        float("the smallest", f64::MIN_POSITIVE, exactly("0.0000")),
        float("not quite nought", -5e-324, exactly("0.0000")),
        float("nought below zero", -0.0, exactly("0.0000")),
        float("a tenth", 0.1, exactly("0.1000")),
        float("rounded", 1.000_05, exactly("1.0001")),
        amount("not a number, with a type", r#"{"double":"NaN"}"#, too_large()),
        amount("infinite, with a type", r#"{"double":"-Infinity"}"#, too_large()),
        amount("not a number, bare", "NaN", undecodable("malformed")),
        amount("infinite, bare", "Infinity", undecodable("malformed")),
        amount("not a number, as text", "\"NaN\"", held_in("amount", "wrong_type", "untyped text")),
        amount("infinite, as text", "\"inf\"", held_in("amount", "wrong_type", "untyped text")),
        Case::avro("a float for a text", "name", Value::Double(f64::NAN), wrong("name", "double")),
        Case::avro(
            "a float for a whole number",
            "whole",
            Value::Double(1.0),
            wrong("whole", "double"),
        ),
    ])
    .await;
}

fn wrong(column: &'static str, kind: &str) -> End {
    held_in(column, "wrong_type", &format!("type {kind} does not fit"))
}

#[tokio::test]
async fn whole_numbers() {
    let beyond = |column| held_in(column, "number_out_of_range", "");
    let whole = |json: &str, end| Case::json(&format!("whole {json}"), "whole", json, end);
    let big = |json: &str, end| Case::json(&format!("big {json}"), "big", json, end);
    check(vec![
        whole("2147483647", row(&[("whole", "2147483647")])),
        whole("-2147483648", row(&[("whole", "-2147483648")])),
        whole("2147483648", beyond("whole")),
        whole("9223372036854775808", beyond("whole")),
        whole("1e30", beyond("whole")),
        whole("1.0", row(&[("whole", "1")])),
        whole("1.5", wrong("whole", "decimal")),
        whole("\"12\"", row(&[("whole", "12")])),
        whole("\"99999999999999999999\"", beyond("whole")),
        whole("\"12a\"", wrong("whole", "untyped text")),
        whole("\"\"", wrong("whole", "untyped text")),
        whole("true", wrong("whole", "boolean")),
        whole(r#"{"int":2147483648}"#, no_number()),
        whole(r#"{"long":"1"}"#, undecodable("wrong_type")),
        whole("01", undecodable("malformed")),
        whole("+1", undecodable("malformed")),
        whole("0x10", undecodable("malformed")),
        whole("1.", undecodable("malformed")),
        whole("-", undecodable("malformed")),
        big("9223372036854775807", row(&[("big", "9223372036854775807")])),
        big("-9223372036854775808", row(&[("big", "-9223372036854775808")])),
        big("9223372036854775808", beyond("big")),
        big("-9223372036854775809", beyond("big")),
        Case::json("an option beyond its type", "kind", r#"{"choice":2147483648}"#, no_number()),
        Case::json(
            "options beyond their type",
            "several",
            r#"{"choices":[1,2147483648]}"#,
            no_number(),
        ),
        Case::avro("an option of 64 bits", "kind", Value::Long(1 << 31), beyond("kind")),
    ])
    .await;
}

#[tokio::test]
async fn other_types() {
    let text = || Value::Text(CANARY.into());
    let bytes = || Value::Bytes(CANARY.as_bytes().into());
    let mut cases = Vec::new();
    for column in ["whole", "big", "amount", "flag", "at", "other", "kind"] {
        cases.push(Case::avro(
            &format!("text for {column}"),
            column,
            text(),
            wrong(column, "text"),
        ));
        cases.push(Case::avro(
            &format!("bytes for {column}"),
            column,
            bytes(),
            wrong(column, "bytes"),
        ));
    }
    cases.extend([
        Case::avro("bytes for a text", "name", bytes(), wrong("name", "bytes")),
        Case::avro("a number for a text", "name", Value::Integer(1), wrong("name", "integer")),
        Case::avro(
            "a flag for a number",
            "amount",
            Value::Boolean(true),
            wrong("amount", "boolean"),
        ),
        Case::avro("a number for a flag", "flag", Value::Integer(1), wrong("flag", "integer")),
        Case::json("a text for a flag", "flag", "\"true\"", wrong("flag", "untyped text")),
        Case::json("a list", "name", "[1]", undecodable("wrong_type")),
        Case::json("an object without a type", "name", "{}", undecodable("missing")),
        Case::json(
            "an unknown type",
            "name",
            r#"{"colour":"Zeppelin4711"}"#,
            undecodable("unknown_type"),
        ),
        Case::json(
            "two types",
            "name",
            r#"{"string":"Zeppelin4711","int":1}"#,
            undecodable("unknown_field"),
        ),
        Case::json("no base64", "name", r#"{"bytes":"Zeppelin4711!"}"#, undecodable("")),
        Case::json("no id", "other", "\"Zeppelin4711\"", wrong("other", "untyped text")),
        Case::json(
            "an id in braces",
            "other",
            "\"{0F8FAD5B-D9CB-469F-A165-70867728950E}\"",
            row(&[("other", "0f8fad5b-d9cb-469f-a165-70867728950e")]),
        ),
        Case::dataverse(
            "an unknown type of Dataverse",
            "name",
            r#"{"__type":"Colour:x","Value":"Zeppelin4711"}"#,
            undecodable("unknown_type"),
        ),
    ]);
    check(cases).await;
}
