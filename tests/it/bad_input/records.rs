//! Which record it is: keys, ids, what stands twice, and what is missing.

use keepstep::codec::encode_change;
use keepstep::model::change::{Change, Image, Operation, Version};
use keepstep::model::value::Value;
use uuid::Uuid;

use super::case::{
    CANARY, Case, End, change, dataverse_text, held, held_in, json_text, row, undecodable,
};
use super::check;
use super::scene::UNVERSIONED;

fn named(id: Uuid) -> Change {
    change(id, &[("name", Value::Text(CANARY.into()))])
}

/// A change in Avro after some alteration.
fn altered(name: &str, alter: impl FnOnce(&mut Change), end: End) -> Case {
    Case::bytes(
        name,
        |id| {
            let mut change = named(id);
            alter(&mut change);
            encode_change(&change)
        },
        end,
    )
}

#[tokio::test]
async fn keys() {
    let wrong = |name: &str, key: &dyn Fn(String) -> Vec<u8>| {
        let end = held("key_mismatch", "the record's id in lower-case text");
        let case = altered(name, |_| {}, end);
        let key = key(case.id.hyphenated().to_string());
        case.key(Some(&key))
    };
    let garbage = |name: &str, key: Option<&[u8]>, known_as| {
        let case = Case::bytes(name, |_| CANARY.into(), undecodable("unknown_format"));
        case.key(key).known_as(known_as)
    };
    let other = Uuid::from_u128(0xabc << 64);
    let upper = other.hyphenated().to_string().to_uppercase();
    check(vec![
        altered("none", |_| {}, held("key_mismatch", "")).key(None),
        wrong("empty", &|_| Vec::new()),
        wrong("of another record", &|_| other.hyphenated().to_string().into()),
        wrong("in upper case", &|id| id.to_uppercase().into()),
        wrong("in braces", &|id| format!("{{{id}}}").into()),
        wrong("without hyphens", &|id| id.replace('-', "").into()),
        wrong("with a space", &|id| format!("{id} ").into()),
        wrong("as sixteen bytes", &|id| Uuid::parse_str(&id).unwrap().as_bytes().to_vec()),
        wrong("no text", &|_| vec![0xff; 36]),
        wrong("ten thousand characters", &|id| id.repeat(278).into()),
        wrong("a statement", &|_| b"'; DROP TABLE thing; --".to_vec()),
        garbage(
            "garbage under a key",
            Some(other.hyphenated().to_string().as_bytes()),
            Some(other),
        ),
        garbage("garbage without a key", None, None),
        garbage("garbage under an empty key", Some(b""), None),
        garbage("garbage under another spelling", Some(upper.as_bytes()), None),
        garbage("garbage under the nil id", Some(Uuid::nil().to_string().as_bytes()), None),
        garbage("garbage under NUL", Some(&[0; 36]), None),
    ])
    .await;
}

#[tokio::test]
async fn ids() {
    let nil = "00000000-0000-0000-0000-000000000000";
    let dataverse = |name: &str, alter: &dyn Fn(String) -> String, end| {
        let case = Case::dataverse(name, "name", "\"x\"", end);
        let text = String::from_utf8(case.payload.unwrap().to_vec()).unwrap();
        Case { payload: Some(alter(text).into()), ..case }
    };
    let replaced = |from: &'static str, to: &'static str| {
        move |id| json_text(id, "{}", "").replace(from, to).into_bytes()
    };
    check(vec![
        Case::bytes("nil", |_| encode_change(&named(Uuid::nil())), undecodable("id is nil"))
            .key(Some(nil.as_bytes()))
            .known_as(None),
        Case::bytes("all ones", |_| encode_change(&named(Uuid::max())), row(&[]))
            .of_record(Uuid::max()),
        Case::json("no id", "memo", "1", undecodable("")).without_id(),
        Case::bytes(
            "the wrong name of the member",
            replaced("record_id", "recordid"),
            undecodable("unknown_field"),
        ),
        Case::bytes("no entity", replaced(r#""entity":"thing","#, ""), undecodable("field entity")),
        Case::bytes(
            "no operation",
            replaced(r#""operation":"create","#, ""),
            undecodable("field operation"),
        ),
        Case::bytes("no image", replaced(r#""image":"full","#, ""), undecodable("field image")),
        Case::bytes(
            "an unknown operation",
            replaced("create", "upsert"),
            undecodable("out_of_range"),
        ),
        Case::bytes(
            "a version beyond its type",
            replaced("version\":1", "version\":9223372036854775808"),
            undecodable("out_of_range"),
        ),
        Case::bytes(
            "a version as text",
            replaced("version\":1", "version\":\"Zeppelin4711\""),
            undecodable("wrong_type"),
        ),
        Case::bytes(
            "no version",
            replaced("\"row_version\":1,", ""),
            held_in("versionnumber", "version_missing", ""),
        ),
        altered("the lowest version", |it| it.version = Some(Version(i64::MIN)), row(&[])),
        altered("the highest version", |it| it.version = Some(Version(i64::MAX)), row(&[])),
        altered(
            "a patch without a row",
            |it| {
                (it.operation, it.image) = (Operation::Update, Image::Patch);
            },
            held("no_base", "no row to change"),
        ),
        altered(
            "left out by the source",
            |it| it.payload_reference = Some("blob".into()),
            held("stripped", "larger than its limit"),
        ),
        altered(
            "a native id of another record",
            |it| {
                it.attributes.push((
                    "thingid".into(),
                    Value::Guid(keepstep::model::record::RecordId(Uuid::from_u128(5))),
                ));
            },
            row(&[]),
        ),
        dataverse(
            "Dataverse without an id",
            &|text| text.replace("PrimaryEntityId", "Primary").replace("\"Id\"", "\"Di\""),
            undecodable(""),
        ),
        dataverse(
            "Dataverse with two ids",
            &|text| {
                text.replace(
                    "\"Id\":\"",
                    "\"Id\":\"00000000-0000-0000-0000-00000000000a\",\"Ix\":\"",
                )
            },
            undecodable(""),
        ),
        dataverse(
            "an unknown message",
            &|text| text.replace("\"Create\"", "\"Upsert\""),
            undecodable("unknown_message"),
        ),
        dataverse("stripped", &|text| strip(&text), held("stripped", "")),
    ])
    .await;
}

/// The envelope without what Dataverse takes away when a notification is too big.
fn strip(text: &str) -> String {
    let (before, rest) = text.split_once("\"InputParameters\":").unwrap();
    let (_, after) = rest.split_once("],\"MessageName\"").unwrap();
    format!("{before}\"InputParameters\":[],\"MessageName\"{after}")
}

impl Case {
    /// The case is about this record.
    fn of_record(self, id: Uuid) -> Self {
        let key = id.hyphenated().to_string();
        Self { id, ..self }.key(Some(key.as_bytes()))
    }

    /// Without the member of the record's id.
    fn without_id(self) -> Self {
        let text = String::from_utf8(self.payload.unwrap().to_vec()).unwrap();
        let text = text.replace(&format!(r#""record_id":"{}","#, self.id), "");
        Self { payload: Some(text.into()), ..self }
    }
}

#[tokio::test]
async fn what_stands_twice() {
    let attributes = |text: &'static str| move |id| json_text(id, text, "").into_bytes();
    let rest = |rest: &'static str| move |id| json_text(id, "{}", rest).into_bytes();
    let dataverse = |name: &str, from: &'static str, to: &'static str, end| {
        let payload = move |id| {
            let pair = r#"{"key":"name","value":"Zeppelin4711"}"#;
            dataverse_text("Create", id, &format!("{pair},{pair}"))
                .replacen(from, to, 1)
                .into_bytes()
        };
        Case { entity: UNVERSIONED, ..Case::bytes(name, payload, end) }
    };
    let twice = || held_in("name", "repeated_attribute", "twice");
    check(vec![
        altered("in Avro", |it| it.attributes.push(it.attributes[0].clone()), twice()),
        altered(
            "in Avro, once null",
            |it| it.attributes.push(("name".into(), Value::Null)),
            twice(),
        ),
        Case::bytes("in an object", attributes(r#"{"name":"Zeppelin4711","name":"b"}"#), twice()),
        Case::bytes(
            "in an object, escaped once",
            attributes(r#"{"name":"a","\u006eame":"b"}"#),
            twice(),
        ),
        Case::bytes(
            "in a list",
            attributes(r#"[{"name":"name","value":"a"},{"name":"name","value":"a"}]"#),
            twice(),
        ),
        Case::bytes(
            "the value of one",
            attributes(r#"[{"name":"name","value":"a","value":"b"}]"#),
            undecodable("unknown_field"),
        ),
        Case::bytes("the entity", rest(r#","entity":"plain""#), undecodable("repeated")),
        Case::bytes(
            "the id",
            rest(r#","record_id":"0f8fad5b-d9cb-469f-a165-70867728950e""#),
            undecodable("repeated"),
        ),
        Case::bytes("the version", rest(r#","row_version":2"#), undecodable("repeated")),
        Case::bytes(
            "the attributes",
            rest(r#","attributes":{"name":"Zeppelin4711"}"#),
            undecodable("repeated"),
        ),
        Case::bytes(
            "a marker and a change",
            rest(r#","phase":"end""#),
            undecodable("contradiction"),
        ),
        Case::bytes(
            "an unknown member",
            rest(r#","Zeppelin":"Zeppelin4711""#),
            undecodable("unknown_field"),
        ),
        dataverse("an attribute of Dataverse", "", "", twice()),
        dataverse(
            "a member of Dataverse",
            "\"MessageName\":\"Create\"",
            "\"MessageName\":\"Create\",\"MessageName\":\"Delete\"",
            undecodable("repeated"),
        ),
    ])
    .await;
}
