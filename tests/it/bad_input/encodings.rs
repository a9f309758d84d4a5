//! Bytes that no encoding makes: cut, nested, counted and framed wrongly.

use keepstep::codec::contract::SINGLE_OBJECT;
use keepstep::codec::limit::{DEFAULT_MAX_PAYLOAD_BYTES, MAX_ATTRIBUTES};
use keepstep::codec::{Contract, encode_change};
use keepstep::model::value::Value;
use uuid::Uuid;

use super::case::{
    CANARY, Case, change, dataverse_text, held, held_in, json_text, row, undecodable,
};
use super::check;
use super::scene::REGISTERED;

/// The same change in every encoding.
fn samples(id: Uuid) -> [(&'static str, Vec<u8>); 4] {
    let attributes = [("name", Value::Text(CANARY.into())), ("big", Value::Long(1 << 40))];
    let avro = encode_change(&change(id, &attributes));
    let bare = avro[10..].to_vec();
    let confluent = [&[0][..], &REGISTERED.to_be_bytes(), &bare].concat();
    let json = json_text(id, &format!(r#"{{"name":"{CANARY}","big":1099511627776}}"#), "");
    let dataverse =
        dataverse_text("Create", id, &format!(r#"{{"key":"name","value":"{CANARY}"}}"#));
    [
        ("avro", avro),
        ("confluent", confluent),
        ("json", json.into_bytes()),
        ("dataverse", dataverse.into_bytes()),
    ]
}

#[tokio::test]
async fn cut_short() {
    let mut cases = Vec::new();
    for (at, (encoding, whole)) in samples(Uuid::nil()).into_iter().enumerate() {
        for length in [1, 2, 5, 9, 12, 30, whole.len() / 2, whole.len() - 1] {
            let name = format!("{encoding} cut to {length}");
            let cut = move |id| samples(id)[at].1[..length].to_vec();
            cases.push(Case::bytes(&name, cut, undecodable("")));
        }
        let name = format!("{encoding} and something behind it");
        let longer = move |id| [&samples(id)[at].1[..], b"0"].concat();
        cases.push(Case::bytes(&name, longer, undecodable("trailing")));
    }
    cases.push(Case::bytes("no byte", |_| Vec::new(), undecodable("unknown_format")));
    check(cases).await;
}

#[tokio::test]
async fn null_payload() {
    let case = Case::bytes("null", |_| Vec::new(), held("null_payload", "no payload"));
    check(vec![Case { payload: None, ..case }]).await;
}

fn deep(open: &str, close: &str, levels: usize) -> String {
    format!("{}0{}", open.repeat(levels), close.repeat(levels))
}

#[tokio::test]
async fn nested_deep() {
    let lists = deep("[", "]", 200_000);
    let objects = deep(r#"{"a":"#, "}", 100_000);
    let mut cases = Vec::new();
    for (what, nested) in [("lists", &lists), ("objects", &objects)] {
        let place = |text: &str| format!("{text} {what}");
        let unknown = move |nested: &str, id| {
            let text = dataverse_text("Create", id, "");
            text.replace(r#""MessageName""#, &format!(r#""Later":{nested},"MessageName""#))
        };
        cases.push(Case::bytes(
            &place("in a member that nobody needs:"),
            |id| unknown(nested, id).into_bytes(),
            undecodable("too_deep"),
        ));
        cases.push(Case::dataverse(
            &place("in the value of a money:"),
            "amount",
            &format!(r#"{{"__type":"Money:x","Value":{nested}}}"#),
            undecodable("too_deep"),
        ));
    }
    cases.push(Case::json("lists for a value", "name", &lists, undecodable("wrong_type")));
    cases.push(Case::json("objects for a value", "name", &objects, undecodable("unknown_type")));
    cases.push(Case::bytes(
        "nothing but openings",
        |_| vec![b'{'; 500_000],
        undecodable("malformed"),
    ));
    check(cases).await;
}

#[tokio::test]
async fn huge() {
    // As long as a payload may be, with and without one byte more; the log itself takes no larger
    // records, so the key's bytes are taken off.
    let memo = |bytes: usize| {
        move |id| {
            let empty = json_text(id, r#"{"memo":""}"#, "").len();
            json_text(id, &format!(r#"{{"memo":"{}"}}"#, "m".repeat(bytes - empty)), "")
                .into_bytes()
        }
    };
    let most = DEFAULT_MAX_PAYLOAD_BYTES - 36;
    let many = |count: usize| {
        let pairs = vec![format!(r#"{{"name":"memo","value":"{CANARY}"}}"#); count].join(",");
        move |id| json_text(id, &format!("[{pairs}]"), "").into_bytes()
    };
    let long = |units: usize| format!("\"{}\"", "ü".repeat(units));
    check(vec![
        Case::bytes("the largest record of the log", memo(most), row(&[])),
        Case::bytes("too many attributes", many(MAX_ATTRIBUTES + 1), undecodable("too_many")),
        Case::bytes(
            "as many as there may be",
            many(MAX_ATTRIBUTES),
            held("repeated_attribute", "twice"),
        ),
        Case::json(
            "text as long as the column",
            "name",
            &long(40),
            row(&[("name", &"ü".repeat(40))]),
        ),
        Case::json(
            "text longer than the column",
            "name",
            &long(41),
            held_in("name", "text_too_long", "41 UTF-16 units is longer than the column's 40"),
        ),
        Case::json(
            "text far longer than the column",
            "name",
            &format!("\"{}\"", CANARY.repeat(50_000)),
            held_in("name", "text_too_long", "600000"),
        ),
        Case::avro(
            "more choices than the column has room for",
            "several",
            Value::Choices(vec![100_000; 600].into()),
            held_in("several", "text_too_long", "4000"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn schemas_that_are_not_known() {
    let bare =
        |id| encode_change(&change(id, &[("name", Value::Text(CANARY.into()))]))[10..].to_vec();
    let framed = move |fingerprint: [u8; 8]| {
        move |id| [&SINGLE_OBJECT[..], &fingerprint, &bare(id)].concat()
    };
    let confluent =
        move |number: u32| move |id| [&[0][..], &number.to_be_bytes(), &bare(id)].concat();
    let marker = Contract::SnapshotMarker.fingerprint();
    let azure = b"avro/binary+0f8fad5bd9cb469fa16570867728950e";
    check(vec![
        Case::bytes("an unknown fingerprint", framed([7; 8]), undecodable("unknown_schema")),
        Case::bytes("the fingerprint of another schema", framed(marker), undecodable("")),
        Case::bytes("a known id of a registry", confluent(REGISTERED), row(&[("name", CANARY)])),
        Case::bytes("an unknown id of a registry", confluent(8), undecodable("id 8 is not listed")),
        Case::bytes("no schema at all", bare, undecodable("unknown_format")),
        Case::bytes("an unknown id of Azure", bare, undecodable("unknown_schema"))
            .header("content-type", azure),
        Case::bytes("no id of Azure", bare, undecodable("32 hexadecimal digits"))
            .header("content-type", b"avro/binary+12"),
        Case::bytes("Avro that is said to be JSON", framed([7; 8]), undecodable("invalid_text"))
            .header("content-type", b"application/json"),
        Case::bytes(
            "a container file",
            |_| b"Obj\x01Zeppelin4711".to_vec(),
            undecodable("container"),
        ),
        Case::bytes("XML", |_| b"<a>Zeppelin4711</a>".to_vec(), undecodable("XML")),
        Case::bytes("plain text", |_| CANARY.into(), undecodable("unknown_format")),
        Case::bytes("a list", |_| b"[\"Zeppelin4711\"]".to_vec(), undecodable("unknown_format")),
        Case::bytes("an empty object", |_| b"{}".to_vec(), undecodable("missing")),
        Case::bytes(
            "two marks of the byte order",
            |id| format!("\u{feff}\u{feff}{}", json_text(id, "{}", "")).into_bytes(),
            undecodable("unknown_format"),
        ),
        Case::bytes(
            "UTF-16",
            |id| json_text(id, "{}", "").encode_utf16().flat_map(u16::to_le_bytes).collect(),
            undecodable(""),
        ),
    ])
    .await;
}
