//! Texts that are none, and texts that look like an attack: the former are held, the latter are
//! written letter by letter.

use keepstep::model::value::Value;

use super::case::{CANARY, Case, held_in, row, undecodable};
use super::check;

#[tokio::test]
async fn no_unicode() {
    let json = |name: &str, text: &str| {
        let value = format!("\"{CANARY}{text}\"");
        Case::json(name, "name", &value, undecodable("invalid_text"))
    };
    let typed = format!(r#"{{"string":"{CANARY}\ud83d"}}"#);
    let dataverse = format!(r#""{CANARY}\udc00""#);
    check(vec![
        json("first half of a pair at the end", r"\ud83d"),
        json("first half, then another letter", r"\ud83dx"),
        json("first half twice", r"\ud83d\ud83d"),
        json("second half alone", r"\ude00"),
        json("the pair turned around", r"\ude00\ud83d"),
        Case::json("in a value with a type", "name", &typed, undecodable("invalid_text")),
        Case::json("in the name of an attribute", r"\ud83d", "1", undecodable("invalid_text")),
        Case::dataverse("from Dataverse", "name", &dataverse, undecodable("invalid_text")),
        Case::json("a whole pair", "name", r#""\ud83d\ude00""#, row(&[("name", "😀")])),
        broken("a byte of UTF-8 missing", b"\xc3"),
        broken("a byte that UTF-8 never has", b"\xff"),
        broken("a surrogate as UTF-8", b"\xed\xa0\xbd"),
        broken("an overlong slash", b"\xc0\xaf"),
        in_avro("in Avro, a byte that UTF-8 never has", 0xff),
        in_avro("in Avro, half a letter", 0xc3),
    ])
    .await;
}

/// JSON with these bytes in a text.
fn broken(name: &str, bytes: &[u8]) -> Case {
    let case = Case::json(name, "name", r#""@""#, undecodable("invalid_text"));
    Case { payload: case.payload.map(|payload| replaced(&payload, b'@', bytes)), ..case }
}

fn in_avro(name: &str, byte: u8) -> Case {
    let text = Value::Text(format!("{CANARY}@").into());
    let case = Case::avro(name, "name", text, undecodable("invalid_text"));
    Case { payload: case.payload.map(|payload| replaced(&payload, b'@', &[byte])), ..case }
}

fn replaced(payload: &[u8], byte: u8, with: &[u8]) -> bytes::Bytes {
    let parts: Vec<&[u8]> = payload.split(|it| *it == byte).collect();
    parts.join(with).into()
}

#[tokio::test]
async fn the_character_nul() {
    let text = |text: &str| Value::Text(text.into());
    let nul = || held_in("name", "text_has_nul", "U+0000");
    check(vec![
        Case::avro("in Avro", "name", text("Zeppelin4711\0"), nul()),
        Case::avro("first", "name", text("\0Zeppelin4711"), nul()),
        Case::avro("alone", "name", text("\0"), nul()),
        Case::avro("untyped", "name", Value::Untyped("a\0b".into()), nul()),
        Case::json("in JSON, escaped", "name", r#""a\u0000b""#, nul()),
        Case::dataverse("from Dataverse", "name", r#""a\u0000b""#, nul()),
        Case::json("in JSON, bare", "name", "\"a\0b\"", undecodable("malformed")),
        Case::avro(
            "in the entity of a lookup",
            "other",
            lookup("a\0b"),
            held_in("other", "text_has_nul", ""),
        ),
    ])
    .await;
}

fn lookup(entity: &str) -> Value {
    use keepstep::model::record::RecordId;
    use keepstep::model::value::Lookup;
    let id = RecordId(uuid::Uuid::from_u128(7));
    Value::Lookup(Box::new(Lookup { id, entity: entity.into() }))
}

/// What must arrive as it is.
const WRITTEN: [&str; 12] = [
    "'; DROP TABLE thing; --",
    "\"; DROP TABLE thing; --",
    "\\'; --",
    "$1 ?1 :a @a %s {}",
    "\u{202e}gpj.exe",
    "\u{200b}\u{feff}\u{2066}",
    "\u{1}\u{1b}[31m\u{7f}",
    "\r\n\t",
    "NULL",
    "\\N",
    "\u{fffe}\u{10ffff}",
    "e\u{301} é",
];

#[tokio::test]
async fn texts_that_would_break_out() {
    let mut cases = Vec::new();
    for text in WRITTEN {
        let end = || row(&[("name", text)]);
        let name = |encoding: &str| format!("{encoding}: {text:?}");
        let json = serde_json::to_string(text).unwrap();
        cases.push(Case::avro(&name("Avro"), "name", Value::Text(text.into()), end()));
        cases.push(Case::json(&name("JSON"), "name", &json, end()));
        cases.push(Case::dataverse(&name("Dataverse"), "name", &json, end()));
    }
    check(cases).await;
}
