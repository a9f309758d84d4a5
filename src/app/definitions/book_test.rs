//! Newer definitions as tables: what is mapped, and what is said of it.

use std::time::Duration;

use super::*;
use crate::model::batcher::BatchLimits;
use crate::model::entity_json::read_definitions;
use crate::model::layout::{Existing, Layout, Widen};
use crate::model::mapping::UnknownAttribute;
use crate::model::position::Topic;
use crate::model::profile::{ProfileEntity, ProfileId, Start};

fn profile(entities: &[&str]) -> Profile {
    let topic = Topic::new("crm");
    let entity =
        |name: &&str| ProfileEntity { name: (*name).into(), versioned: true, topic: topic.clone() };
    Profile {
        id: ProfileId::new("test").unwrap(),
        name: "test".to_owned(),
        layout: Layout::plain("dbo", None),
        existing: Existing::Refuse,
        keep_deleted: false,
        widen: Widen::default(),
        entities: entities.iter().map(entity).collect(),
        unknown_attributes: UnknownAttribute::Stop,
        images_only: false,
        start: Start::Earliest,
        batch: BatchLimits { changes: 1, bytes: 1, linger: Duration::ZERO },
        retry_count: 0,
        retry_interval: Duration::ZERO,
        drain: Duration::ZERO,
    }
}

/// An entity with text attributes of these lengths.
fn definition(entity: &str, texts: &[(&str, u32)]) -> EntityDefinition {
    let text = |(name, length): &(&str, u32)| {
        format!(r#",{{"LogicalName":"{name}","AttributeType":"String","MaxLength":{length}}}"#)
    };
    let json = format!(
        r#"{{"LogicalName":"{entity}","PrimaryIdAttribute":"id","Attributes":[
            {{"LogicalName":"id","AttributeType":"Uniqueidentifier"}}{}]}}"#,
        texts.iter().map(text).collect::<String>()
    );
    read_definitions(json.as_bytes()).unwrap().remove(0)
}

fn columns(mapping: &Mapping) -> Vec<&str> {
    mapping.table.columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn the_topic_counts_more_than_files() {
    let mut book = DefinitionBook::default();
    book.put_files(vec![definition("account", &[("a", 5)]), definition("contact", &[("a", 5)])]);
    book.put_published(definition("account", &[("b", 5)]));
    book.put_files(vec![definition("account", &[("c", 5)]), definition("contact", &[("a", 5)])]);
    let (mappings, _) = book.mappings(&profile(&["account", "contact"]));
    assert_eq!(columns(&mappings[0]), ["id", "b"]);
    assert_eq!(columns(&mappings[1]), ["id", "a"]);
    assert_eq!(book.definitions().count(), 2);
}

#[test]
fn tables_know_how_far_the_profile_lets_them_be_widened() {
    for widen in [Widen::All, Widen::Texts, Widen::Nothing] {
        let profile = Profile { widen, ..profile(&["account"]) };
        let mapping = mapping(&profile, &definition("account", &[("a", 5)]), true);
        assert_eq!(mapping.table.widen, widen);
    }
}

#[test]
fn what_nothing_defines_is_missing() {
    let mut book = DefinitionBook::default();
    let profile = profile(&["account", "contact"]);
    assert_eq!(book.missing(&profile).len(), 2);
    book.put_published(definition("contact", &[]));
    assert_eq!(book.missing(&profile), [EntityName::new("account")]);
    assert_eq!(book.mappings(&profile).0.len(), 1);
}

#[test]
fn only_what_changed_is_mapped_anew() {
    let mut book = DefinitionBook::default();
    let profile = profile(&["account", "contact"]);
    book.put_files(vec![definition("account", &[("a", 5)]), definition("contact", &[("a", 5)])]);
    let (first, differences) = book.mappings(&profile);
    assert_eq!(differences, []);
    book.put_published(definition("account", &[("a", 5)]));
    assert!(book.mappings(&profile).1.is_empty());
    book.put_published(definition("account", &[("a", 9), ("b", 5)]));
    let (second, differences) = book.mappings(&profile);
    assert!(!Arc::ptr_eq(&first[0], &second[0]) && Arc::ptr_eq(&first[1], &second[1]));
    let difference = Difference {
        entity: EntityName::new("account"),
        added: vec!["b".to_owned()],
        changed: vec!["a".to_owned()],
        removed: Vec::new(),
    };
    assert_eq!(differences, [difference]);
}

#[test]
fn f59_an_attribute_that_is_gone_keeps_its_column_and_is_said_once() {
    let mut book = DefinitionBook::default();
    let profile = profile(&["account"]);
    book.put_files(vec![definition("account", &[("a", 5), ("b", 5)])]);
    book.mappings(&profile);
    book.put_files(vec![definition("account", &[("b", 5), ("c", 5)])]);
    let (mappings, differences) = book.mappings(&profile);
    assert_eq!(columns(&mappings[0]), ["id", "b", "c", "a"]);
    assert_eq!(
        (&*differences[0].added, &*differences[0].removed),
        (&["c".to_owned()][..], &["a".to_owned()][..])
    );
    book.put_files(vec![definition("account", &[("b", 5), ("c", 5), ("d", 5)])]);
    let (mappings, differences) = book.mappings(&profile);
    assert_eq!(columns(&mappings[0]), ["id", "b", "c", "d", "a"]);
    assert!(differences[0].removed.is_empty());
    // It may come back.
    book.put_files(vec![definition("account", &[("b", 5), ("c", 5), ("d", 5), ("a", 7)])]);
    let (mappings, differences) = book.mappings(&profile);
    assert_eq!(columns(&mappings[0]), ["id", "b", "c", "d", "a"]);
    assert_eq!(differences[0].changed, ["a"]);
}
