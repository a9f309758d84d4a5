//! Definitions that change while a profile runs, from files and from a topic.

use super::{Place, Running, account, rows, wait};
use crate::place::settings;

fn definition(attributes: &[&str]) -> String {
    let text = |name: &&str| {
        format!(r#"{{"LogicalName":"{name}","AttributeType":"String","MaxLength":100}}"#)
    };
    let attributes: Vec<String> = attributes.iter().map(text).collect();
    format!(
        r#"{{"LogicalName":"account","PrimaryIdAttribute":"accountid","Attributes":[
            {{"LogicalName":"accountid","AttributeType":"Uniqueidentifier"}},{}]}}"#,
        attributes.join(",")
    )
}

/// A place whose definitions lie in a folder of its own, or on a topic.
fn place(definitions: &str) -> Place {
    let text =
        settings("[\"account\"]", "[http]\nlisten = \"off\"\n\n[telemetry]\nformat = \"json\"\n");
    let place = Place::with(&text.replace("definitions = \"DEFINITIONS\"", definitions));
    std::fs::create_dir(place.path("defined")).unwrap();
    std::fs::write(place.path("defined/account.json"), definition(&["name"])).unwrap();
    place
}

fn with_city(number: u128) -> String {
    account(number, 7, "Two").replace("\"name\":\"Two\"", "\"name\":\"Two\",\"city\":\"Ulm\"")
}

/// F57: a changed file adds the column, and the entity that waited for it goes on by itself.
#[tokio::test]
async fn a_changed_file_adds_a_column() {
    let place = place("definitions = \"defined\"");
    let mut running = Running::start(&place);
    running.wait_for("profile activated");
    let both = format!("{}\n{}\n", account(1, 7, "One"), with_city(2));
    assert_eq!(place.run_with(&["produce"], &both).code, Some(0));
    wait("the first row", || rows(&place, "SELECT name FROM account") == ["One"]).await;
    // A file that cannot be read changes nothing.
    std::fs::write(place.path("defined/account.json"), "{").unwrap();
    running.wait_for("definition files cannot be read");
    std::fs::write(place.path("defined/account.json"), definition(&["name", "city"])).unwrap();
    let told = running.wait_for("an entity has a newer definition");
    assert!(told.contains("\"added\":\"city\""), "{told}");
    wait("the second row", || {
        rows(&place, "SELECT city FROM account WHERE city IS NOT NULL") == ["Ulm"]
    })
    .await;
}

/// Definitions that are published reach a profile that has no files at all, now and later.
#[tokio::test]
async fn published_definitions_are_followed() {
    let place = place("metadata_topic = \"crm.definitions\"");
    let mut running = Running::start(&place);
    running.wait_for("waiting for definitions");
    let published = place.run(&["define", "defined/account.json"]);
    assert_eq!((published.code, published.err.as_str()), (Some(0), ""));
    assert!(
        published.out.ends_with("published 1 definition on crm.definitions\n"),
        "{}",
        published.out
    );
    running.wait_for("profile activated");
    let both = format!("{}\n{}\n", account(1, 7, "One"), with_city(2));
    assert_eq!(place.run_with(&["produce"], &both).code, Some(0));
    wait("the first row", || rows(&place, "SELECT name FROM account") == ["One"]).await;
    std::fs::write(place.path("defined/account.json"), definition(&["name", "city"])).unwrap();
    assert_eq!(place.run(&["define", "defined/account.json"]).code, Some(0));
    running.wait_for("an entity has a newer definition");
    wait("the second row", || {
        rows(&place, "SELECT city FROM account WHERE city IS NOT NULL") == ["Ulm"]
    })
    .await;
    let check = place.run(&["check"]);
    assert!(
        check.out.contains("topic crm.definitions with definitions"),
        "{}{}",
        check.out,
        check.err
    );
    let wrong = place.run(&["define", "nowhere.json"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("nothing was published"), "{}", wrong.err);
}
