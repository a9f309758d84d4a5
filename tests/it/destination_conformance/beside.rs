//! What stands beside the tables of the entities: the log of deletes, and the metadata tables.

use std::sync::Arc;

use keepstep::destination::Activation;
use keepstep::model::entity_json::read_definitions;
use keepstep::model::layout::{DELETE_LOG, Deletes, Layout};
use keepstep::model::mapping::{Mapping, UnknownAttribute};
use keepstep::model::table::Table;

use super::outcome::{Outcome, equal, worked};
use super::scene::{self, Scene, text};

const SCHEMA: &str = "conformance";

/// A mapping whose deletes are logged.
fn logged(entity: &str, versioned: bool) -> Arc<Mapping> {
    let plain = scene::letters(entity, versioned);
    let deletes = Deletes { logged_in: Some(DELETE_LOG.into()), keep_row: false };
    let table = Table { deletes, ..plain.table.clone() };
    Arc::new(Mapping::new(&plain.definition, table, versioned, UnknownAttribute::Stop))
}

fn activation(mappings: &[&Arc<Mapping>]) -> Activation {
    let mut activation = scene::activation(mappings);
    activation.layout = Layout { delete_log: true, ..Layout::plain(SCHEMA, None) };
    activation
}

async fn log(scene: &Scene) -> Vec<Vec<Option<String>>> {
    let columns = ["EntityName", "RecordId", "VersionNumber"];
    scene.database.lines(SCHEMA, DELETE_LOG, &columns).await
}

fn line(entity: &str, record: u128, version: i64) -> Vec<Option<String>> {
    [entity.to_owned(), scene::record(record).canonical(), version.to_string()].map(Some).into()
}

/// F55: a delete that takes a row away leaves one line with its version; one that the guard drops,
/// that finds no row, that is fenced or only tried leaves none.
pub async fn deletes_are_logged_once(scene: Scene) -> Outcome {
    let (account, contact) = (logged("account", true), logged("contact", false));
    let activation = activation(&[&account, &contact]);
    let mut lane = scene.lane(&activation).await?;
    let cells = [(0, text("here"))];
    let made = |versioned: bool| {
        let version = |version: i64| versioned.then_some(version);
        (1..5).map(|at| scene::create(scene::record(at), version(10), &cells)).collect::<Vec<_>>()
    };
    worked("the creates", lane.write(&scene::batch(&account, made(true))).await)?;
    worked("the creates", lane.write(&scene::batch(&contact, made(false))).await)?;
    let gone = vec![
        scene::delete(scene::record(1), Some(11)),
        scene::delete(scene::record(2), Some(9)),
        scene::delete(scene::record(3), Some(10)),
        scene::delete(scene::record(9), Some(50)),
    ];
    let gone = scene::batch(&account, gone);
    let fence = lane.next_fence();
    worked("the trial", lane.destination.try_out(&fence, &gone).await)?;
    equal("the log after a trial", &log(&scene).await, &Vec::new())?;
    worked("the deletes", lane.write(&gone).await)?;
    let expected = vec![line("account", 1, 11), line("account", 3, 10)];
    equal("the log", &log(&scene).await, &expected)?;
    // The same again: its fence does not hold.
    let fenced = lane.destination.write(&fence, &gone).await;
    equal("a fenced write", &fenced.is_err(), &true)?;
    equal("the log after it", &log(&scene).await, &expected)?;
    let gone = vec![scene::delete(scene::record(2), None), scene::delete(scene::record(9), None)];
    worked("the deletes", lane.write(&scene::batch(&contact, gone)).await)?;
    let expected = [expected, vec![line("contact", 2, 0)]].concat();
    equal("the log in the end", &log(&scene).await, &expected)
}

fn defined(json: &str) -> Arc<Mapping> {
    let definition = read_definitions(json.as_bytes()).expect("a definition").remove(0);
    let table = Table::of(&definition, SCHEMA, None);
    Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop))
}

fn with_options(labels: &str) -> Arc<Mapping> {
    defined(&format!(
        r#"{{"LogicalName":"lead","PrimaryIdAttribute":"leadid","Attributes":[
            {{"LogicalName":"leadid","AttributeType":"Uniqueidentifier"}},
            {{"LogicalName":"ownerid","AttributeType":"Owner","Targets":["systemuser","team"]}},
            {{"LogicalName":"rating","AttributeType":"Picklist","Options":[{labels}]}}]}}"#
    ))
}

/// F52, F53, F60: the metadata tables hold what the definitions say, follow them, and leave the
/// rows of others alone.
pub async fn metadata_follows_the_definitions(scene: Scene) -> Outcome {
    let layout = Layout { metadata: true, ..Layout::plain(SCHEMA, None) };
    let destination = scene.open().await;
    let activate = async |mapping: &Arc<Mapping>, profile: &str, topic: &str| {
        let mut activation = scene::activation(&[mapping]);
        activation.layout = layout.clone();
        activation.profile = keepstep::model::profile::ProfileId::new(profile).expect("an id");
        for entity in &mut activation.entities {
            entity.topic = keepstep::model::position::Topic::new(topic);
        }
        activation.starts.clear();
        worked("the activation", destination.activate(&activation).await)
    };
    let columns = [
        "EntityName",
        "OptionSetName",
        "Option",
        "IsUserLocalizedLabel",
        "LocalizedLabelLanguageCode",
        "LocalizedLabel",
    ];
    let options = async || scene.database.lines(SCHEMA, "OptionSetMetadata", &columns).await;
    let row = |value: i32, users: bool, label: &str| -> Vec<Option<String>> {
        let cells = ["lead", "rating", &value.to_string(), &users.to_string(), "1033", label];
        cells.map(|cell| Some(cell.to_owned())).into()
    };
    let both = |value, label: &str| vec![row(value, false, label), row(value, true, label)];
    let other = defined(
        r#"{"LogicalName":"aaa","PrimaryIdAttribute":"aaaid","Attributes":[
            {"LogicalName":"aaaid","AttributeType":"Uniqueidentifier"},
            {"LogicalName":"kind","AttributeType":"Picklist","Options":[{"Value":5,"Label":"it's 😀"}]}]}"#,
    );
    activate(&other, "others", "others.topic").await?;
    let others = options().await;
    equal("options of another profile", &others.len(), &2)?;
    equal("a label", &others[0][5].as_deref(), &Some("it's 😀"))?;
    let first = r#"{"Value":1,"Label":"Hot"},{"Value":2,"Label":"Warm"}"#;
    activate(&with_options(first), "mine", "my.topic").await?;
    let expected = [others.clone(), both(1, "Hot"), both(2, "Warm")].concat();
    equal("options", &options().await, &expected)?;
    let then = r#"{"Value":1,"Label":"Very hot"},{"Value":3,"Label":"Cold"}"#;
    for round in ["then", "again"] {
        activate(&with_options(then), "mine", "my.topic").await?;
        let expected = [others.clone(), both(1, "Very hot"), both(3, "Cold")].concat();
        equal(&format!("options {round}"), &options().await, &expected)?;
    }
    let columns = ["EntityName", "AttributeName", "ReferencedEntity", "ReferencedAttribute"];
    let targets = scene.database.lines(SCHEMA, "TargetMetadata", &columns).await;
    let target = |entity: &str| -> Vec<Option<String>> {
        ["lead", "ownerid", entity, &format!("{entity}id")].map(|it| Some(it.to_owned())).into()
    };
    equal("targets", &targets, &vec![target("systemuser"), target("team")])?;
    let columns = ["AttributeName", "AttributeType", "AttributeTypeCode"];
    let attributes = scene.database.lines(SCHEMA, "AttributeMetadata", &columns).await;
    let owner: Vec<Option<String>> = ["ownerid", "Owner", "9"].map(|it| Some(it.to_owned())).into();
    equal("number of attributes", &attributes.len(), &5)?;
    equal("an attribute", &attributes.contains(&owner), &true)
}
