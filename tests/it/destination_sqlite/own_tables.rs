//! keepstep's own tables in a SQLite file: upgraded, missed when gone, swept, and read with care.

use keepstep::destination::desk::{
    FINISHED_DAYS, LaneRequest, RequestState, STALE_STATE_DAYS, StoredLaneState, WhichRequests,
};
use keepstep::destination::own_tables::OWN_VERSION;
use keepstep::destination::sqlite::ddl;
use keepstep::destination::{Destination, DestinationError, WhichHeld, WriteError};
use keepstep::model::checkpoint::OwnerToken;
use keepstep::model::held::HeldCause;
use keepstep::model::position::NextOffset;
use uuid::Uuid;

use super::file::{File, fatal_code};
use crate::destination_conformance::held::{batch, hold, key};
use crate::destination_conformance::scene::{self, Lane};

impl File {
    fn run(&self, statements: &str) {
        self.connection().execute_batch(statements).unwrap();
    }

    fn number(&self, statement: &str) -> i64 {
        self.connection().query_row(statement, [], |row| row.get(0)).unwrap()
    }
}

#[tokio::test]
async fn version_1_is_upgraded_and_keeps_what_it_has() {
    let file = File::new();
    let activation = scene::activation(&[&file.mapping]);
    let lane = scene::lane_id(&activation, 0);
    file.run(&format!("{};", ddl::own_tables_step(0).join(";")));
    let topic = lane.topic_partition.topic.as_str();
    file.run(&format!(
        "INSERT INTO keepstep_schema_version VALUES (1, 1);
         INSERT INTO keepstep_object_registry
         VALUES ('account', 'conformance', 'account', '{topic}', 2, 1);
         INSERT INTO keepstep_checkpoint (profile, topic, partition, entity, next_offset)
         VALUES ('conformance', '{topic}', 0, '', 17), ('conformance', '{topic}', 1, '', 4);
         INSERT INTO keepstep_tombstone
         VALUES ('conformance', 'account', '{}', 9, '{topic}', 0, 3)",
        scene::record(1)
    ));
    let findings = file.start().check(&activation).await;
    assert!(findings.iter().all(|finding| finding.problem.is_none()), "{findings:?}");
    let version = "SELECT version FROM keepstep_schema_version";
    assert_eq!(file.number(version), 1, "a check upgrades nothing");

    let destination = file.start();
    destination.activate(&activation).await.unwrap();
    assert_eq!(file.number(version), OWN_VERSION);
    let mut lane = Lane::take(destination, &lane).await.unwrap();
    assert_eq!(lane.checkpoint.lowest(), NextOffset(17));
    lane.write(&file.one(1)).await.unwrap();
    assert_eq!(file.count(), 0, "the tombstone is still there");
    lane.write(&batch(vec![hold(&key(18, 1), HeldCause::waits(), 0)], vec![])).await.unwrap();
    let held = lane.destination.held(&lane.id, WhichHeld::All, None, 10).await.unwrap();
    assert_eq!(held.len(), 1);
}

#[tokio::test]
async fn an_own_table_that_is_gone_is_never_made_anew_unseen() {
    for table in ["checkpoint", "tombstone", "object_registry", "held_change", "request"] {
        let file = File::new();
        let mut lane = file.lane().await;
        lane.write(&file.one(1)).await.unwrap();
        file.run(&format!("DROP TABLE keepstep_{table}"));
        assert_eq!(fatal_code(file.activation_error().await), "own_table_missing", "{table}");
        let findings = file.start().check(&scene::activation(&[&file.mapping])).await;
        let problem = findings.iter().find_map(|finding| finding.problem.as_ref());
        assert_eq!(problem.unwrap().code, "own_table_missing", "{table}");
        // Nor does a lane that works already take it for a fault of a record or of its table.
        let change = scene::delete(scene::record(1), Some(5));
        let mut write = (*scene::batch(&file.mapping, vec![change])).clone();
        write.holds = vec![hold(&key(1, 2), HeldCause::waits(), 0)];
        let answer = lane.write(&write.into()).await;
        match table {
            "object_registry" | "request" => assert!(answer.is_ok(), "{table}: {answer:?}"),
            _ => assert!(matches!(answer, Err(WriteError::Fatal(_))), "{table}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn finished_requests_and_stale_states_are_forgotten() {
    let file = File::new();
    let lane = file.lane().await;
    let profile = &lane.id.profile;
    let desk = lane.destination.desk();
    let request = |number| LaneRequest {
        id: Uuid::from_u128(number),
        lane: lane.id.clone(),
        body: "{}".to_owned(),
        state: RequestState::Asked,
        progress: String::new(),
        asked_at_us: 0,
    };
    desk.put_requests(profile, &[request(1), request(2), request(3)]).await.unwrap();
    for number in [1, 2] {
        let (from, to) = (RequestState::Asked, RequestState::Done);
        let moved = desk.move_request((Uuid::from_u128(number), &lane.id), from, to, "{}").await;
        assert!(moved.unwrap());
    }
    let state = |partition| StoredLaneState {
        topic_partition: scene::lane_id(&scene::activation(&[&file.mapping]), partition)
            .topic_partition,
        owner: "host:1".into(),
        body: "{}".to_owned(),
        age_us: 0,
    };
    desk.put_lane_states(profile, &[state(0), state(1)]).await.unwrap();
    let day_us = 86_400_000_000_i64;
    // A minute short of the time, and a minute beyond.
    let minute_us = 60_000_000;
    let id = |number| Uuid::from_u128(number);
    let (days, stale) = (FINISHED_DAYS * day_us, STALE_STATE_DAYS * day_us);
    file.run(&format!(
        "UPDATE keepstep_request SET updated_at_us = updated_at_us - {} WHERE id = '{}';
         UPDATE keepstep_request SET updated_at_us = updated_at_us - {} WHERE id = '{}';
         UPDATE keepstep_request SET updated_at_us = updated_at_us - {} WHERE id = '{}';
         UPDATE keepstep_lane_state SET said_at_us = said_at_us - {} WHERE partition = 0;
         UPDATE keepstep_lane_state SET said_at_us = said_at_us - {} WHERE partition = 1;",
        days + minute_us,
        id(1),
        days - minute_us,
        id(2),
        days * 2,
        id(3),
        stale + minute_us,
        stale - minute_us,
    ));
    desk.put_requests(profile, &[]).await.unwrap();
    let left = desk.requests(profile, WhichRequests::All).await.unwrap();
    let left: Vec<Uuid> = left.into_iter().map(|request| request.id).collect();
    assert_eq!(left, [id(2), id(3)], "an open one is never forgotten");
    desk.put_lane_states(profile, &[]).await.unwrap();
    let left = desk.lane_states(profile).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].topic_partition.partition.0, 1);
    assert!(left[0].age_us >= stale - minute_us, "{:?}", left[0]);
}

#[tokio::test]
async fn what_keepstep_never_writes_into_its_tables_is_fatal() {
    let file = File::new();
    let mut lane = file.lane().await;
    lane.write(&batch(vec![hold(&key(0, 1), HeldCause::waits(), 0)], vec![])).await.unwrap();
    file.run(
        "UPDATE keepstep_held_change SET record_id = 'nobody';
         INSERT INTO keepstep_request
         VALUES ('00000000-0000-0000-0000-000000000001', 'conformance', 't', 0, '', 'lost', '', 1, 1)",
    );
    let held = lane.destination.held(&lane.id, WhichHeld::All, None, 10).await.unwrap_err();
    assert_eq!(fatal_code(held), "stored_value");
    let requests =
        lane.destination.desk().requests(&lane.id.profile, WhichRequests::All).await.unwrap_err();
    assert_eq!(fatal_code(requests), "stored_value");
}

#[tokio::test]
async fn a_trigger_on_an_own_table_is_nobodys_fault_but_its_makers() {
    let file = File::new();
    let mut lane = file.lane().await;
    file.run(
        "CREATE TRIGGER object BEFORE INSERT ON keepstep_tombstone
         BEGIN SELECT raise(ABORT, 'no'); END",
    );
    let delete = scene::batch(&file.mapping, vec![scene::delete(scene::record(1), Some(2))]);
    let answer = lane.write(&delete).await.unwrap_err();
    assert!(
        matches!(&answer, WriteError::Fatal(trouble) if trouble.hint.contains("own tables")),
        "{answer:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_there_and_cannot_be_opened_is_an_outage() {
    let file = File::new();
    let path = file.settings().path;
    let lane = scene::lane_id(&scene::activation(&[&file.mapping]), 0);
    let take = async || file.start().take(&lane, OwnerToken(Uuid::nil())).await.unwrap_err();
    // A socket cannot be opened as a file by anybody, whatever the rights of who runs this.
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let refused = take().await;
    assert!(
        matches!(&refused, DestinationError::Retry(trouble) if trouble.code == "SQLITE_CANTOPEN (14)"),
        "{refused:?}"
    );
    drop(socket);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(fatal_code(take().await), "SQLITE_CANTOPEN (14)");
    std::fs::create_dir(&path).unwrap();
    assert_eq!(fatal_code(take().await), "SQLITE_CANTOPEN (14)");
}
