//! Entity definitions: both shapes, the ones that come with the project, and every mistake by name.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use keepstep::codec::{
    DataverseOrigin, Decoder, DecoderSettings, Relationships, decode_entity_metadata,
    encode_dataverse, encode_entity_metadata,
};
use keepstep::model::change::{Change, Image, Notification, Operation};
use keepstep::model::entity::{AttributeKind, ChoiceOption, EntityDefinition, Label};
use keepstep::model::entity_json::{DefinitionReader, MAX_ATTRIBUTES, Problem, read_definitions};
use keepstep::model::record::{EntityName, RecordId, link_id};
use keepstep::model::table::Table;
use keepstep::model::value::Value;
use uuid::Uuid;

/// The definitions of the repository, by entity.
pub fn shipped() -> BTreeMap<String, EntityDefinition> {
    let folder = format!("{}/definitions", env!("CARGO_MANIFEST_DIR"));
    let mut reader = DefinitionReader::default();
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let document = std::fs::read(path).unwrap();
        reader.add(&document).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let definitions = reader.finish().unwrap();
    definitions.into_iter().map(|definition| (definition.name.to_string(), definition)).collect()
}

fn kind<'a>(definition: &'a EntityDefinition, name: &str) -> &'a AttributeKind {
    &definition.attributes.iter().find(|attribute| attribute.name == name).unwrap().kind
}

fn option(value: i32, state: Option<i32>, labels: &[(i32, &str)]) -> ChoiceOption {
    let label =
        |(language, text): &(i32, &str)| Label { language: *language, text: (*text).into() };
    ChoiceOption { value, state, labels: labels.iter().map(label).collect() }
}

#[test]
fn the_shipped_definitions_are_a_believable_crm() {
    let shipped = shipped();
    let names: Vec<&str> = shipped.keys().map(String::as_str).collect();
    let expected = [
        "account",
        "adv_contact_opportunity",
        "contact",
        "opportunity",
        "opportunityproduct",
        "product",
    ];
    assert_eq!(names, expected);
    for (name, definition) in &shipped {
        let table = Table::of(definition, "dbo", None);
        assert!(definition.intersect.is_some() || table.columns.len() > 40, "{name}");
        let columns: HashSet<&str> = table.columns.iter().map(|column| &*column.name).collect();
        assert_eq!(columns.len(), table.columns.len(), "{name}: a column stands twice");
        assert!(columns.contains(&*definition.primary_id), "{name}");
    }
    assert!(shipped["account"].attributes.len() >= 100);
    let languages: HashSet<i32> = shipped["account"]
        .attributes
        .iter()
        .flat_map(|attribute| match &attribute.kind {
            AttributeKind::Choice { options, .. } => options.clone(),
            _ => vec![],
        })
        .flat_map(|option| option.labels)
        .map(|label| label.language)
        .collect();
    assert_eq!(languages, HashSet::from([1_031, 1_033, 1_036]));
}

#[test]
fn every_type_of_attribute_is_among_the_shipped_ones() {
    let shipped = shipped();
    let (account, contact) = (&shipped["account"], &shipped["contact"]);
    let opportunity = &shipped["opportunity"];
    let lookup = |targets: &[&str]| AttributeKind::Lookup {
        targets: targets.iter().map(|target| (*target).into()).collect(),
    };
    for (definition, name, expected) in [
        (account, "accountid", AttributeKind::Guid),
        (account, "name", AttributeKind::Text { max_length: Some(160) }),
        (account, "description", AttributeKind::Memo),
        (account, "revenue", AttributeKind::Money { precision: 2 }),
        (account, "revenue_base", AttributeKind::Money { precision: 4 }),
        (account, "exchangerate", AttributeKind::Decimal { precision: 10 }),
        (account, "address1_latitude", AttributeKind::Double { precision: 5 }),
        (account, "createdon", AttributeKind::DateTime),
        (account, "numberofemployees", AttributeKind::Integer),
        (account, "versionnumber", AttributeKind::BigInt),
        (account, "creditonhold", AttributeKind::Boolean),
        (account, "ownerid", lookup(&["systemuser", "team"])),
        (account, "owneridtype", AttributeKind::EntityName),
        (account, "entityimage", AttributeKind::Image),
        (account, "accountratingcodename", AttributeKind::NoColumn),
        (contact, "parentcustomerid", lookup(&["account", "contact"])),
        (opportunity, "customerid", lookup(&["account", "contact"])),
        (opportunity, "name", AttributeKind::Text { max_length: Some(300) }),
        (opportunity, "estimatedvalue", AttributeKind::Money { precision: 2 }),
        (opportunity, "adv_offer", AttributeKind::NoColumn),
        (opportunity, "statecodename", AttributeKind::NoColumn),
        (opportunity, "customeridtype", AttributeKind::EntityName),
    ] {
        assert_eq!(*kind(definition, name), expected, "{name}");
    }
    for (definition, name) in [(account, "adv_channels"), (opportunity, "adv_channels")] {
        let AttributeKind::Choices { options } = kind(definition, name) else { panic!("{name}") };
        assert_eq!(options.len(), 4, "{name}");
    }
    let AttributeKind::Choice { option_set, options } = kind(opportunity, "statuscode") else {
        panic!("a choice")
    };
    assert_eq!(option_set.as_deref(), Some("opportunity_statuscode"));
    let won = option(3, Some(1), &[(1_033, "Won"), (1_031, "Gewonnen"), (1_036, "Conclue")]);
    assert_eq!(options[2], won);
    let subject = &opportunity.attributes.iter().find(|a| a.name == "name").unwrap().labels;
    assert_eq!(subject[1], Label { language: 1_031, text: "Thema".into() });
}

#[test]
fn the_shipped_relationship_is_found_from_its_intersect_entity() {
    let shipped = shipped();
    let intersect = shipped["adv_contact_opportunity"].intersect.as_ref().unwrap();
    assert_eq!(intersect.relationship, "adv_Contact_Opportunity");
    assert_eq!(intersect.first.entity.as_str(), "contact");
    assert_eq!(intersect.second.attribute, "opportunityid");
    assert!(shipped["opportunity"].intersect.is_none());

    let (contact, opportunity) = (RecordId(Uuid::from_u128(1)), RecordId(Uuid::from_u128(2)));
    let entity = EntityName::new("adv_contact_opportunity");
    let link = Change {
        organization_id: Some(Uuid::from_u128(3)),
        record_id: link_id(entity.as_str(), contact, opportunity),
        entity,
        operation: Operation::Create,
        image: Image::Full,
        version: None,
        changed_at: None,
        attributes: vec![
            ("contactid".into(), Value::Guid(contact)),
            ("opportunityid".into(), Value::Guid(opportunity)),
        ],
        correlation_id: None,
        payload_reference: None,
    };
    let origin = DataverseOrigin {
        organization_id: Uuid::from_u128(3),
        organization_name: "contoso".into(),
        user_id: Uuid::from_u128(4),
        business_unit_id: Uuid::from_u128(5),
        post_image_alias: None,
    };
    let json = encode_dataverse(&link, &shipped["adv_contact_opportunity"], &origin).unwrap();
    // The wire may spell the relationship in other letters than the definition.
    let json = json.replace("adv_Contact_Opportunity", "adv_contact_opportunity");
    let relationships = Relationships::of(shipped.values());
    let settings = DecoderSettings { relationships, ..DecoderSettings::default() };
    let decoded = Decoder::new(Arc::new(settings)).decode(&[], &Bytes::from(json)).unwrap();
    assert_eq!(decoded, Notification::Change(link));
}

/// A flat entity with one attribute besides its id.
fn with(attribute: &str) -> String {
    format!(
        r#"{{"LogicalName":"x","PrimaryIdAttribute":"xid","Attributes":[{{"LogicalName":"xid","AttributeType":"Uniqueidentifier"}},{attribute}]}}"#
    )
}

fn read_kind(attribute: &str) -> Result<AttributeKind, Problem> {
    let document = with(&format!(r#"{{"LogicalName":"a",{attribute}}}"#));
    let definitions = read_definitions(document.as_bytes()).map_err(|error| {
        assert_eq!(error.entity.as_deref(), Some("x"));
        assert_eq!(error.attribute.as_deref(), Some("a"));
        error.problem
    })?;
    Ok(kind(&definitions[0], "a").clone())
}

#[test]
fn what_a_definition_leaves_out_has_a_default() {
    assert_eq!(
        read_kind(r#""AttributeType":"Decimal""#),
        Ok(AttributeKind::Decimal { precision: 10 })
    );
    assert_eq!(
        read_kind(r#""AttributeType":"Double""#),
        Ok(AttributeKind::Double { precision: 5 })
    );
    assert_eq!(read_kind(r#""AttributeType":"Money""#), Ok(AttributeKind::Money { precision: 4 }));
    assert_eq!(
        read_kind(r#""AttributeType":"String","MaxLength":null"#),
        Ok(AttributeKind::Text { max_length: None })
    );
    assert_eq!(
        read_kind(r#""AttributeType":"Lookup""#),
        Ok(AttributeKind::Lookup { targets: vec![] })
    );
    let plain = r#""AttributeType":"Picklist","Options":[{"Value":1,"Label":"One"},{"Value":2}]"#;
    let options = vec![option(1, None, &[(1_033, "One")]), option(2, None, &[])];
    assert_eq!(read_kind(plain), Ok(AttributeKind::Choice { option_set: None, options }));
    let global = r#""AttributeType":"Picklist","OptionSet":null,"GlobalOptionSet":{"Name":"Shared_Set","Options":[]}"#;
    let option_set = Some("Shared_Set".into());
    assert_eq!(read_kind(global), Ok(AttributeKind::Choice { option_set, options: vec![] }));
    let image = r#""AttributeType":"Virtual","AttributeTypeName":{"Value":"ImageType"}"#;
    assert_eq!(read_kind(image), Ok(AttributeKind::Image));
    assert_eq!(read_kind(r#""AttributeType":"Virtual""#), Ok(AttributeKind::NoColumn));
}

#[test]
fn a_mistake_in_an_attribute_names_it() {
    let range = |field, least, most| Problem::OutOfRange { field, least, most };
    for (attribute, expected) in [
        (r#""MaxLength":1"#, Problem::Missing("AttributeType")),
        (r#""AttributeType":"Colour""#, Problem::UnknownType("Colour".into())),
        (
            r#""AttributeType":"Virtual","AttributeTypeName":{"Value":"SoundType"}"#,
            Problem::UnknownType("SoundType".into()),
        ),
        (r#""AttributeType":"String","MaxLength":0"#, range("MaxLength", 1, 1_073_741_823)),
        (
            r#""AttributeType":"String","MaxLength":"9""#,
            Problem::WrongType { field: "MaxLength", expected: "a whole number" },
        ),
        (r#""AttributeType":"Money","Precision":11"#, range("Precision", 0, 10)),
        (
            r#""AttributeType":"Lookup","Targets":[1]"#,
            Problem::WrongType { field: "Targets", expected: "a list of entity names" },
        ),
        (r#""AttributeType":"Lookup","Targets":["Account"]"#, Problem::Name("Targets")),
        (
            r#""AttributeType":"Picklist","Options":[{"Value":1},{"Value":1}]"#,
            Problem::Repeated("an option"),
        ),
        (
            r#""AttributeType":"Picklist","Options":[{"Label":"x"}]"#,
            Problem::Missing("Value of an option"),
        ),
        (
            r#""AttributeType":"Memo","DisplayName":{"LocalizedLabels":[{"Label":"x","LanguageCode":1},{"Label":"y","LanguageCode":1}]}"#,
            Problem::Repeated("a label of one language"),
        ),
    ] {
        assert_eq!(read_kind(attribute), Err(expected), "{attribute}");
    }
    let error =
        read_definitions(with(r#"{"LogicalName":"a","AttributeType":"Colour"}"#).as_bytes());
    assert_eq!(
        error.unwrap_err().to_string(),
        "entity \"x\", attribute \"a\": attributes of type Colour are not known: a newer version may know them"
    );
}

#[test]
fn a_mistake_in_an_entity_names_it() {
    let attribute = r#"{"LogicalName":"a","AttributeType":"Memo"}"#;
    let good = with(attribute);
    assert!(read_definitions(good.as_bytes()).is_ok());
    let problem = |document: &str| {
        let error = read_definitions(document.as_bytes()).unwrap_err();
        (error.entity.map(String::from), error.problem)
    };
    let in_x = |problem| (Some("x".to_owned()), problem);
    let cases = [
        (with(&format!("{attribute},{attribute}")), in_x(Problem::Repeated("the attribute"))),
        (
            good.replacen("xid\",\"Attr", "yid\",\"Attr", 1),
            in_x(Problem::NoSuchAttribute("PrimaryIdAttribute")),
        ),
        (
            good.replace(r#""PrimaryIdAttribute":"xid","#, ""),
            in_x(Problem::Missing("PrimaryIdAttribute")),
        ),
        (good.replace("Attributes", "Fields"), in_x(Problem::Missing("Attributes"))),
        (good.replace("\"a\"", "\"A\""), in_x(Problem::Name("LogicalName of an attribute"))),
        (
            good.replace("\"a\"", &format!("\"{}\"", "a".repeat(129))),
            in_x(Problem::Name("LogicalName of an attribute")),
        ),
        (good.replace("\"a\"", r#""a\u0000""#), in_x(Problem::Name("LogicalName of an attribute"))),
        (good.replace("{\"Log", "{\"IsIntersect\":true,\"Log"), in_x(Problem::NoRelationship)),
        (format!("[{good},{good}]"), in_x(Problem::Repeated("the entity"))),
        (with(&vec![attribute; MAX_ATTRIBUTES].join(",")), in_x(Problem::TooManyAttributes)),
        ("{}".to_owned(), (None, Problem::Missing("LogicalName"))),
        (
            "[1]".to_owned(),
            (None, Problem::WrongType { field: "an entity", expected: "an object" }),
        ),
        (
            r#"{"value":1}"#.to_owned(),
            (None, Problem::WrongType { field: "value", expected: "a list of entities" }),
        ),
        ("\n[,".to_owned(), (None, Problem::NoJson { line: 2, column: 2 })),
        (String::new(), (None, Problem::NoJson { line: 1, column: 0 })),
    ];
    for (document, expected) in cases {
        assert_eq!(problem(&document), expected);
    }
    assert!(read_definitions(&vec![b'['; 1_000_000]).is_err());
    assert!(read_definitions(format!("\u{feff}{good}").as_bytes()).is_ok());
}

#[test]
fn an_intersect_entity_finds_its_relationship_in_another_document() {
    let link = r#"{"LogicalName":"links","IsIntersect":true,"PrimaryIdAttribute":"linkid","Attributes":[{"LogicalName":"linkid","AttributeType":"Uniqueidentifier"},{"LogicalName":"xid","AttributeType":"Uniqueidentifier"},{"LogicalName":"yid","AttributeType":"Uniqueidentifier"}]}"#;
    let side = |attribute: &str| {
        with(r#"{"LogicalName":"a","AttributeType":"Memo"}"#).replacen(
            '{',
            &format!(
                r#"{{"ManyToManyRelationships":[{{"SchemaName":"X_Y","IntersectEntityName":"links","Entity1LogicalName":"x","Entity1IntersectAttribute":"xid","Entity2LogicalName":"y","Entity2IntersectAttribute":"{attribute}"}}],"#
            ),
            1,
        )
    };
    let read = |documents: &[&str]| {
        let mut reader = DefinitionReader::default();
        for document in documents {
            reader.add(document.as_bytes()).map_err(|error| error.problem)?;
        }
        reader.finish().map_err(|error| error.problem)
    };
    let definitions = read(&[link, &side("yid")]).unwrap();
    assert_eq!(definitions[0].intersect.as_ref().unwrap().second.attribute, "yid");
    assert_eq!(definitions[1].intersect, None);
    assert_eq!(
        read(&[&side("zid"), link]),
        Err(Problem::NoSuchAttribute("Entity2IntersectAttribute"))
    );
    let other = side("zid").replace(r#""LogicalName":"x""#, r#""LogicalName":"y""#);
    assert_eq!(
        read(&[&side("yid"), &other, link]),
        Err(Problem::Repeated("the relationship, differently,"))
    );
}

/// What the metadata tables tell of an attribute is kept, and travels over the topic.
#[test]
fn definitions_keep_what_the_metadata_tables_tell() {
    let document = r#"{"LogicalName":"lead","PrimaryIdAttribute":"leadid","Attributes":[
        {"LogicalName":"leadid","AttributeType":"Uniqueidentifier",
         "MetadataId":"0f8fad5b-d9cb-469f-a165-70867728950e"},
        {"LogicalName":"ownerid","AttributeType":"Owner","Targets":["systemuser"]},
        {"LogicalName":"donotfax","AttributeType":"Boolean","OptionSet":{"Name":"lead_donotfax",
         "TrueOption":{"Value":1,"Label":{"LocalizedLabels":[{"Label":"Forbid","LanguageCode":1033}]}},
         "FalseOption":{"Value":0,"Label":{"LocalizedLabels":[{"Label":"Allow","LanguageCode":1033}]}}}},
        {"LogicalName":"budget","AttributeType":"Picklist","OptionSet":null,
         "GlobalOptionSet":{"Name":"budgetstatus","Options":[{"Value":7,"Label":"Can buy"}]}},
        {"LogicalName":"own","AttributeType":"Picklist",
         "OptionSet":{"Name":"lead_own","IsGlobal":false,"Options":[]}},
        {"LogicalName":"interests","AttributeType":"Virtual",
         "AttributeTypeName":{"Value":"MultiSelectPicklistType"},
         "OptionSet":{"Name":"interest","IsGlobal":true,"Options":[{"Value":5,"Label":"Golf"}]}}]}"#;
    let definition = read_definitions(document.as_bytes()).unwrap().remove(0);
    let attribute =
        |name: &str| definition.attributes.iter().find(|attribute| attribute.name == name).unwrap();
    let id = attribute("leadid").origin.metadata_id.unwrap();
    assert_eq!(id.to_string(), "0f8fad5b-d9cb-469f-a165-70867728950e");
    assert_eq!(attribute("ownerid").type_name(), "Owner");
    let two = [option(0, None, &[(1_033, "Allow")]), option(1, None, &[(1_033, "Forbid")])];
    assert_eq!(attribute("donotfax").options(), two);
    for (name, shared, set) in [
        ("budget", true, Some("budgetstatus")),
        ("own", false, Some("lead_own")),
        ("interests", true, Some("interest")),
    ] {
        let attribute = attribute(name);
        assert_eq!(attribute.origin.global_option_set, shared, "{name}");
        assert_eq!(attribute.option_set().map(compact_str::CompactString::as_str), set, "{name}");
    }
    let travelled = decode_entity_metadata(&encode_entity_metadata(&definition)).unwrap();
    assert_eq!(travelled, definition);
}
