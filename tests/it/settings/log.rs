//! The log, its topics and where a profile begins on them.

use keepstep::app::settings::log::LogSettings;
use keepstep::model::profile::Start;

use super::{only_mistake, replaced, with};

#[test]
fn kafka_settings_are_checked() {
    let kafka = |lines: &str| {
        replaced("kind = \"embedded\"\ndir = \"log\"", &format!("kind = \"kafka\"\n{lines}"))
    };
    let LogSettings::Kafka(brokers) = kafka("brokers = \"b:9092\"").unwrap().log else {
        panic!("not Kafka");
    };
    assert_eq!(brokers.brokers, ["b:9092"]);
    for (lines, expected) in [
        ("", "log, brokers: is missing"),
        ("brokers = []", "brokers: is an empty list"),
        ("brokers = [\"b\"]", "\"b\" is no broker"),
        ("brokers = [\"b:0\"]", "\"b:0\" is no broker"),
        ("brokers = [\"b:1\"]\nsasl_user = \"u\"", "sasl_user: is of no use with this security"),
        (
            "brokers = [\"b:1\"]\nsecurity = \"sasl_ssl\"\nsasl_user = \"u\"",
            "sasl_password: is missing",
        ),
        (
            "brokers = [\"b:1\"]\n[log.properties]\n\"group.id\" = \"mine\"",
            "log.properties, group.id: is set by keepstep itself",
        ),
    ] {
        let mistake = only_mistake(kafka(lines));
        assert!(mistake.contains(expected), "{mistake}");
    }
}

#[test]
fn topics_and_entities_are_checked() {
    let entities = |list: &str| replaced("[\"account\", \"contact\"]", list);
    let settings =
        entities("[\"account\", { name = \"contact\", versioned = false, topic = \"c\" }]")
            .unwrap();
    let found = &settings.profiles[0].profile.entities;
    assert!(found[0].versioned && !found[1].versioned);
    assert_eq!(found[1].topic.as_str(), "c");
    for (list, expected) in [
        ("[]", "entities: is an empty list"),
        ("[\"Account\"]", "\"Account\" is no logical name of an entity"),
        ("[\"account\", \"account\"]", "account is named twice"),
        ("[\"activitypointer\"]", "name the concrete activities"),
        ("[3]", "entities, item 1: is a number"),
        ("[{ name = \"account\", topic = \"a b\" }]", "\"a b\" is no name of a topic"),
        ("[{ versioned = true }]", "name: is missing"),
        ("[{ name = \"account\", topik = \"a\" }]", "did you mean topic?"),
    ] {
        let mistake = only_mistake(entities(list));
        assert!(mistake.contains(expected), "{mistake}");
    }
    let shared = with("topic = \"all.{organization}\"").unwrap();
    assert_eq!(shared.profiles[0].profile.topics().len(), 1);
    assert!(only_mistake(with("topic = \"{entty}\"")).contains("there is no placeholder {entty}"));
    let mistake = only_mistake(replaced("organization = \"contoso\"\n", ""));
    assert!(mistake.contains("organization: is missing: the topic names {organization}"));
}

#[test]
fn a_start_is_an_end_of_the_topic_or_a_time() {
    for (text, expected) in [
        ("\"latest\"", Start::Latest),
        ("\"1970-01-01T00:00:01Z\"", Start::Time(1_000)),
        ("1970-01-01T01:00:01.5+01:00", Start::Time(1_500)),
    ] {
        assert_eq!(with(&format!("start = {text}")).unwrap().profiles[0].profile.start, expected);
    }
    assert!(only_mistake(with("start = \"yesterday\"")).contains("\"yesterday\" is no start"));
    assert!(only_mistake(with("start = \"2026-01-31\"")).contains("is no start"));
}
