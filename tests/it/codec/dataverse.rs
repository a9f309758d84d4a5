//! Dataverse's execution contexts: bodies in the shape of captured ones, with made-up content.

use keepstep::codec::{DecodeCode, DecoderSettings};
use keepstep::model::change::{Change, Image, Notification, Operation, Version};
use keepstep::model::failure::Cause;
use keepstep::model::record::RecordId;
use keepstep::model::value::{Lookup, Value};

use super::{decode, decode_with};

pub const ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const OTHER_ID: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const CONTRACTS: &str = r"http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts";

/// An envelope around input parameters; `after` stands behind the time of the operation, where
/// images and output parameters are.
pub fn envelope(message: &str, input: &str, after: &str, entity: &str, id: &str) -> String {
    format!(
        r#"{{"BusinessUnitId":"11111111-0000-0000-0000-000000000001","CorrelationId":"22222222-0000-0000-0000-000000000002","Depth":1,"InitiatingUserAgent":"made up","InitiatingUserId":"33333333-0000-0000-0000-000000000003","InputParameters":[{input}],"IsExecutingOffline":false,"IsInTransaction":false,"IsOfflinePlayback":false,"IsolationMode":1,"MessageName":"{message}","Mode":1,"OperationCreatedOn":"\/Date(1608007658000+0000)\/","OperationId":"44444444-0000-0000-0000-000000000004","OrganizationId":"55555555-0000-0000-0000-000000000005","OrganizationName":"orgmadeup",{after}"OwningExtension":{{"Id":"66666666-0000-0000-0000-000000000006","KeyAttributes":[],"LogicalName":"sdkmessageprocessingstep","Name":null,"RowVersion":null}},"ParentContext":{{"MessageName":"Other","InputParameters":[{{"key":"Query","value":{{"__type":"QueryExpression:{CONTRACTS}","Orders":[[[]]]}}}}],"ParentContext":null}},"PreEntityImages":[],"PrimaryEntityId":"{id}","PrimaryEntityName":"{entity}","RequestId":null,"SecondaryEntityName":"none","SharedVariables":[{{"key":"ChangedEntityTypes","value":[{{"__type":"KeyValuePairOfstringstring:#System.Collections.Generic","key":"contact","value":"Update"}}]}}],"Stage":40,"UserId":"33333333-0000-0000-0000-000000000003"}}"#
    )
}

/// A target that is an entity.
fn entity(attributes: &str) -> String {
    format!(
        r#"{{"key":"Target","value":{{"__type":"Entity:{CONTRACTS}","Attributes":[{attributes}],"EntityState":null,"FormattedValues":[{{"key":"statecode","value":"Aktiv \ud83d"}}],"Id":"{ID}","KeyAttributes":[],"LogicalName":"contact","RelatedEntities":[],"RowVersion":null}}}},{{"key":"SuppressDuplicateDetection","value":false}}"#
    )
}

pub fn reference(entity: &str, id: &str) -> String {
    format!(
        r#"{{"__type":"EntityReference:{CONTRACTS}","Id":"{id}","KeyAttributes":[],"LogicalName":"{entity}","Name":null,"RowVersion":null}}"#
    )
}

fn update(attributes: &str) -> String {
    envelope("Update", &entity(attributes), "", "contact", ID)
}

fn change(json: &str) -> Change {
    change_with(DecoderSettings::default(), json)
}

fn change_with(settings: DecoderSettings, json: &str) -> Change {
    match decode_with(settings, json.as_bytes()).unwrap() {
        Notification::Change(change) => change,
        other => panic!("{other:?}"),
    }
}

fn code(json: &str) -> DecodeCode {
    decode(json.as_bytes()).unwrap_err().code
}

fn images(alias: &str, body: &str) -> String {
    let name = r#"{"Attributes":[{"key":"fullname","value":"automatic"}],"Id":"0f8fad5b-d9cb-469f-a165-70867728950e","LogicalName":"contact","RowVersion":null}"#;
    format!(
        r#""PostEntityImages":[{{"key":"AsynchronousStepPrimaryName","value":{name}}},{{"key":"{alias}","value":{body}}}],"#
    )
}

fn with_image() -> DecoderSettings {
    DecoderSettings { post_image_alias: Some("whole".into()), ..DecoderSettings::default() }
}

#[test]
fn an_update_is_a_patch_of_what_changed() {
    let change = change(&update(&format!(
        r#"{{"key":"firstname","value":"Zoë \/Date(1)\/"}},{{"key":"fax","value":null}},{{"key":"creditlimit","value":{{"__type":"Money:{CONTRACTS}","Value":100.10}}}},{{"key":"parentcustomerid","value":{}}},{{"key":"modifiedon","value":"\/Date(1608007658000)\/"}}"#,
        reference("account", OTHER_ID)
    )));
    assert_eq!((change.operation, change.image), (Operation::Update, Image::Patch));
    assert_eq!(change.entity.as_str(), "contact");
    assert_eq!(change.record_id.canonical(), ID);
    assert_eq!(change.version, None);
    assert_eq!(change.changed_at.unwrap().to_unix_ms(), 1_608_007_658_000);
    assert_eq!(change.organization_id.unwrap().as_u128() >> 96, 0x5555_5555);
    assert_eq!(change.correlation_id.unwrap().as_u128() >> 96, 0x2222_2222);
    let lookup = Lookup { id: RecordId(OTHER_ID.parse().unwrap()), entity: "account".into() };
    let expected = [
        ("firstname".into(), Value::Untyped("Zoë /Date(1)/".into())),
        ("fax".into(), Value::Null),
        ("creditlimit".into(), Value::Decimal("100.10".parse().unwrap())),
        ("parentcustomerid".into(), Value::Lookup(Box::new(lookup))),
        ("modifiedon".into(), Value::Untyped("/Date(1608007658000)/".into())),
    ];
    assert_eq!(change.attributes, expected);
}

#[test]
fn a_create_is_a_full_image() {
    let output = format!(r#""OutputParameters":[{{"key":"id","value":"{ID}"}}],"#);
    let json = envelope("Create", &entity(""), &output, "contact", ID);
    let created = change(&json);
    assert_eq!((created.operation, created.image), (Operation::Create, Image::Full));
    assert_eq!(created.record_id.canonical(), ID);
    // The target has no id yet, and the envelope may lack it too.
    let nil = "00000000-0000-0000-0000-000000000000";
    let json = json.replace(&format!(r#""Id":"{ID}""#), &format!(r#""Id":"{nil}""#));
    let json = json
        .replace(&format!(r#""PrimaryEntityId":"{ID}""#), &format!(r#""PrimaryEntityId":"{nil}""#));
    assert_eq!(change(&json).record_id.canonical(), ID);
}

#[test]
fn a_delete_needs_no_content() {
    let target = format!(r#"{{"key":"Target","value":{}}}"#, reference("contact", ID));
    for input in [target.as_str(), ""] {
        let deleted = change(&envelope("Delete", input, "", "contact", ID));
        assert_eq!(deleted.operation, Operation::Delete);
        assert_eq!(deleted.record_id.canonical(), ID);
        assert_eq!((deleted.payload_reference, deleted.attributes), (None, vec![]));
    }
}

#[test]
fn a_delete_takes_its_version_from_the_pre_image() {
    let image = r#""PreEntityImages":[{"key":"before","value":{"Attributes":[{"key":"versionnumber","value":77}],"LogicalName":"contact"}}],"#;
    let json = envelope("Delete", "", image, "contact", ID).replace(r#""PreEntityImages":[],"#, "");
    assert_eq!(change(&json).version, None);
    let alias = Some("before".into());
    let settings = DecoderSettings { pre_image_alias: alias, ..DecoderSettings::default() };
    assert_eq!(change_with(settings, &json).version, Some(Version(77)));
}

#[test]
fn only_the_image_of_the_configured_alias_counts() {
    let body = format!(
        r#"{{"Attributes":[{{"key":"firstname","value":"after"}}],"EntityState":null,"FormattedValues":[],"Id":"{ID}","KeyAttributes":[],"LogicalName":"contact","RelatedEntities":[],"RowVersion":"5948260"}}"#
    );
    let attributes = r#"{"key":"lastname","value":"target"}"#;
    let json = envelope("Update", &entity(attributes), &images("whole", &body), "contact", ID);
    let with = change_with(with_image(), &json);
    assert_eq!((with.operation, with.image), (Operation::Update, Image::Full));
    assert_eq!(with.version, Some(Version(5_948_260)));
    assert_eq!(with.attributes, [("firstname".into(), Value::Untyped("after".into()))]);

    let patch = [("lastname".into(), Value::Untyped("target".into()))];
    let other = json.replace("\"whole\"", "\"another\"");
    for (settings, json) in [(DecoderSettings::default(), &json), (with_image(), &other)] {
        let without = change_with(settings, json);
        assert_eq!((without.image, without.version), (Image::Patch, None));
        assert_eq!(without.attributes, patch);
    }
    // Not even when it is asked for by name: it is never a full image.
    let alias = Some("AsynchronousStepPrimaryName".into());
    let settings = DecoderSettings { post_image_alias: alias, ..DecoderSettings::default() };
    assert_eq!(change_with(settings, &json).attributes, patch);
}

#[test]
fn a_row_version_may_be_an_attribute() {
    for (value, expected) in [
        ("81", Some(Version(81))),
        ("\"82\"", Some(Version(82))),
        ("null", None),
        ("\"AAAAAA==\"", None),
    ] {
        let change = change(&update(&format!(r#"{{"key":"versionnumber","value":{value}}}"#)));
        assert_eq!(change.version, expected, "{value}");
        // It is a column of its own, not an attribute.
        assert_eq!(change.attributes, []);
    }
}

#[test]
fn the_older_messages_for_state_and_owner_are_patches() {
    let option =
        |number: i32| format!(r#"{{"__type":"OptionSetValue:{CONTRACTS}","Value":{number}}}"#);
    let state = |status: i32| {
        format!(
            r#"{{"key":"EntityMoniker","value":{}}},{{"key":"State","value":{}}},{{"key":"Status","value":{}}}"#,
            reference("contact", ID),
            option(1),
            option(status)
        )
    };
    let changed = change(&envelope("SetState", &state(2), "", "contact", ID));
    assert_eq!((changed.operation, changed.image), (Operation::Update, Image::Patch));
    let expected =
        [("statecode".into(), Value::Choice(1)), ("statuscode".into(), Value::Choice(2))];
    assert_eq!(changed.attributes, expected);
    // The source chooses the status reason: only an image knows it.
    let json = envelope("SetStateDynamicEntity", &state(-1), "", "contact", ID);
    assert_eq!(code(&json), DecodeCode::OutOfRange);

    let assign = format!(
        r#"{{"key":"Target","value":{}}},{{"key":"Assignee","value":{}}}"#,
        reference("contact", ID),
        reference("team", OTHER_ID)
    );
    for settings in [DecoderSettings::default(), with_image()] {
        let changed = change_with(settings, &envelope("Assign", &assign, "", "contact", ID));
        assert_eq!((changed.operation, changed.image), (Operation::Update, Image::Patch));
        let owner = Lookup { id: RecordId(OTHER_ID.parse().unwrap()), entity: "team".into() };
        assert_eq!(changed.attributes, [("ownerid".into(), Value::Lookup(Box::new(owner)))]);
    }
}

#[test]
fn content_that_was_stripped_leaves_a_reference() {
    for (message, operation) in [
        ("Create", Operation::Create),
        ("Update", Operation::Update),
        ("SetState", Operation::Update),
        ("Assign", Operation::Update),
    ] {
        let empty = envelope(message, "", "", "contact", ID);
        let absent = empty.replace(r#""InputParameters":[],"#, "");
        let null = empty.replace(r#""InputParameters":[]"#, r#""InputParameters":null"#);
        for json in [empty, absent, null] {
            let stripped = change(&json);
            assert_eq!(
                (stripped.operation, stripped.record_id.canonical().as_str()),
                (operation, ID)
            );
            assert_eq!(stripped.payload_reference.unwrap(), format!("dataverse:contact({ID})"));
        }
    }
    let error = decode(envelope("Associate", "", "", "none", ID).as_bytes()).unwrap_err();
    assert_eq!(error.cause(), Cause::Stripped);
}

#[test]
fn unknown_messages_and_types_are_refused_by_name() {
    let error = decode(envelope("UpdateMultiple", "", "", "contact", ID).as_bytes()).unwrap_err();
    assert_eq!(error.code, DecodeCode::UnknownMessage);
    assert!(error.detail.contains("`UpdateMultiple`"), "{error}");

    let point = r#"{"key":"place","value":{"__type":"Point:http:\/\/x","X":"secret"}}"#;
    let error = decode(update(point).as_bytes()).unwrap_err();
    assert_eq!(error.code, DecodeCode::UnknownType);
    assert!(error.detail.contains("`place`") && error.detail.contains("`Point`"), "{error}");
    assert!(!error.detail.contains("secret"), "{error}");
}

#[test]
fn what_does_not_agree_is_refused() {
    let json = update("");
    assert_eq!(code(&json.replacen(ID, OTHER_ID, 1)), DecodeCode::Contradiction);
    let other = json.replace(r#""PrimaryEntityName":"contact""#, r#""PrimaryEntityName":"lead""#);
    assert_eq!(code(&other), DecodeCode::Contradiction);
    let twice = json.replace(r#""Mode":1"#, r#""MessageName":"Delete""#);
    assert_eq!(code(&twice), DecodeCode::Repeated);
    assert_eq!(code(&json.replace("MessageName", "Message")), DecodeCode::Missing);
    assert_eq!(
        code(&json.replace(r"\/Date(1608007658000+0000)\/", "yesterday")),
        DecodeCode::OutOfRange
    );
    let no_target = r#"{"key":"SuppressDuplicateDetection","value":false}"#;
    assert_eq!(code(&envelope("Update", no_target, "", "contact", ID)), DecodeCode::Missing);
    let target = format!(r#"{{"key":"Target","value":{}}}"#, reference("contact", ID));
    assert_eq!(code(&envelope("Update", &target, "", "contact", ID)), DecodeCode::WrongType);
    let twice = format!("{target},{target}");
    assert_eq!(code(&envelope("Delete", &twice, "", "contact", ID)), DecodeCode::Repeated);
}

#[test]
fn the_order_of_members_does_not_matter_to_a_pair() {
    let json = update(r#"{"value":{"Value":3,"__type":"OptionSetValue:x"},"key":"statuscode"}"#);
    assert_eq!(change(&json).attributes, [("statuscode".into(), Value::Choice(3))]);
    assert_eq!(code(&update(r#"{"key":"a"}"#)), DecodeCode::Missing);
    assert_eq!(code(&update(r#"{"value":1}"#)), DecodeCode::Missing);
    assert_eq!(code(&update(r#"{"key":"a","value":1,"value":2}"#)), DecodeCode::Repeated);
}

#[test]
fn an_envelope_may_begin_with_its_type() {
    let json = update("").replacen('{', r#"{"__type":"RemoteExecutionContext:x","#, 1);
    assert_eq!(change(&json).operation, Operation::Update);
}

#[test]
fn half_a_surrogate_pair_in_a_value_is_named_and_elsewhere_ignored() {
    // The formatted values of `entity` hold one.
    let error =
        decode(update(r#"{"key":"description","value":"a\udc00"}"#).as_bytes()).unwrap_err();
    assert_eq!(error.code, DecodeCode::InvalidText);
    assert!(error.detail.contains("`description`"), "{error}");
}
