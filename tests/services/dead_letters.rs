//! The dead-letter topic and the failed-record list on a real broker.

use bytes::Bytes;
use keepstep::log::{Log as _, NewRecord};
use keepstep::model::position::Topic;
use serde_json::Value;
use uuid::Uuid;

use crate::commands::Place;
use crate::kafka::broker::Broker;
use crate::postgres::server::TestDatabase;
use crate::scene::process::Process;
use crate::scene::wait;

/// A profile's id and dead-letter topic, of this test alone.
fn profile() -> (String, Topic) {
    let id = format!("dead-{}", Uuid::new_v4().simple());
    let topic = Topic::new(&format!("keepstep.{id}.failed"));
    (id, topic)
}

/// Bytes that say nothing, under the key of a record.
fn garbage(number: u128, bytes: usize) -> NewRecord {
    NewRecord {
        key: Some(Uuid::from_u128(number).to_string().into()),
        payload: Some(Bytes::from(vec![b'?'; bytes])),
        ..NewRecord::default()
    }
}

/// The open entries of the list.
async fn open(place: &Place) -> Vec<Value> {
    let answer = place.run(&["failed", "list", "--format", "json"]).await;
    let page: Option<Value> = serde_json::from_str(&answer.out).ok();
    let entries = page.and_then(|page| page["entries"].as_array().cloned());
    entries.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_is_made_compacted_and_what_is_too_large_for_it_is_referred_to() {
    let (broker, database, (id, failed)) = (Broker::shared(), TestDatabase::new().await, profile());
    let log = broker.log();
    let topic = broker.topic("dead", 2, &[]).await;
    let place = Place::of(&id, &topic, &database.url(None));
    let check = place.run(&["check"]).await;
    assert_eq!(check.code, Some(0), "{}{}", check.out, check.err);
    assert!(
        check.out.contains(&format!("dead-letter topic {failed} will be made")),
        "{}",
        check.out
    );
    assert_eq!(log.describe(&failed).await.unwrap(), None, "a check changes nothing");

    let mut processes = [place.start("run.log")];
    let made = async || log.describe(&failed).await.unwrap().is_some();
    wait("making the dead-letter topic", &mut processes, made).await;
    let described = log.describe(&failed).await.unwrap().unwrap();
    assert_eq!((described.partitions, described.compacted), (1, Some(true)));

    broker.limit(&failed, 4_000).await;
    // Small ones of other lanes, sent at the same time, are not too large.
    let small = [1, 3, 4, 5, 6, 7, 8, 9].map(|number| garbage(number, 100));
    let all = small.into_iter().chain([garbage(2, 20_000)]).collect();
    log.append(&topic, all).await.unwrap();
    wait("listing all", &mut processes, async || open(&place).await.len() == 9).await;
    for entry in open(&place).await {
        let large = entry["record_id"] == Uuid::from_u128(2).to_string();
        let told = if large { "source_position" } else { "dead_letter" };
        assert_eq!(entry["content"], told, "{entry}");
        let reason = entry["reason"].as_str().unwrap();
        assert_eq!(reason.contains("larger than the dead-letter topic takes"), large, "{entry}");
    }
    let [process] = processes;
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_that_the_broker_refuses_is_asked_for_and_stops_nobody() {
    let (broker, database, (id, failed)) = (Broker::shared(), TestDatabase::new().await, profile());
    let log = broker.log();
    let topic = broker.topic("refused", 2, &[]).await;
    // Kafka refuses a name that differs from another one by points and underscores only.
    let other = Topic::new(&failed.as_str().replace('.', "_"));
    broker.create(&other, 1, &[]).await;
    let place = Place::of(&id, &topic, &database.url(None));
    let check = place.run(&["check"]).await;
    assert!(
        check.out.contains(&format!("there is no dead-letter topic {failed}")),
        "{}",
        check.out
    );
    let advice =
        format!("--create --topic {failed} --partitions 1 --config cleanup.policy=compact");
    assert!(check.out.contains(&advice), "{}", check.out);

    let mut processes = [place.start("run.log")];
    log.append(&topic, vec![garbage(1, 100), account(2)]).await.unwrap();
    let plain = database.plain().await;
    let written = async || {
        let rows = plain.client.query("SELECT 1 FROM public.account", &[]).await;
        rows.is_ok_and(|rows| rows.len() == 1)
    };
    wait("writing what is fine", &mut processes, written).await;
    assert!(processes[0].said().contains(&advice), "{}", processes[0].said());
    let [process] = processes;
    process.stop();
}

fn account(number: u128) -> NewRecord {
    let id = Uuid::from_u128(number);
    let text = format!(
        r#"{{"entity":"account","record_id":"{id}","operation":"create","image":"full","row_version":1,"attributes":{{"name":"x"}}}}"#
    );
    NewRecord { payload: Some(text.into()), ..garbage(number, 0) }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_processes_makes_the_list_and_the_other_takes_over_when_it_dies() {
    const MAKES: &str = "this process makes the failed-record list";
    let (broker, database, (id, _)) = (Broker::shared(), TestDatabase::new().await, profile());
    let log = broker.log();
    let topic = broker.topic("takeover", 2, &[]).await;
    let place = Place::of(&id, &topic, &database.url(None));
    let mut processes = vec![place.start("first.log")];
    let first_makes = processes[0].output();
    wait("making the list", &mut processes, async || says(&first_makes, MAKES)).await;
    processes.push(place.start("second.log"));
    let second = processes[1].output();
    let waits = async || says(&second, "another process makes the list");
    wait("waiting for the other", &mut processes, waits).await;
    assert!(!says(&second, MAKES));

    log.append(&topic, vec![garbage(1, 10), garbage(2, 10)]).await.unwrap();
    wait("listing them", &mut processes, async || open(&place).await.len() == 2).await;
    let mut first: Process = processes.remove(0);
    first.kill();
    log.append(&topic, vec![garbage(3, 10)]).await.unwrap();
    wait("taking over", &mut processes, async || says(&second, MAKES)).await;
    // The dead one's partitions come over when its session has ended.
    wait("listing all three", &mut processes, async || open(&place).await.len() == 3).await;
    processes.remove(0).stop();
}

fn says(output: &std::path::Path, what: &str) -> bool {
    String::from_utf8_lossy(&std::fs::read(output).unwrap()).contains(what)
}
