//! Rights: what `check` asks for is exactly what is needed.

use keepstep::destination::own_tables::OWN_VERSION;
use keepstep::destination::postgres::{PostgresDestination, PostgresSettings};
use keepstep::destination::{Activation, Destination, DestinationError, Finding, WriteError};
use keepstep::model::batch::Batch;
use keepstep::model::held::{HeldCause, HeldKey, Hold};
use keepstep::model::mapping::Mapping;
use keepstep::model::mutation::Mutations;
use keepstep::model::position::Offset;
use std::sync::Arc;

use super::case::Case;
use super::server::{Plain, TestDatabase, unique_number};
use crate::destination_conformance::scene::{self, text};

/// A user without any right, and an adapter that signs in as them. Dropped by [`User::remove`].
struct User {
    name: String,
    destination: PostgresDestination,
}

impl User {
    async fn new(database: &TestDatabase, plain: &Plain) -> Self {
        let name = format!("keepstep_test_{}_{}", std::process::id(), unique_number());
        let database_name = database.config().get_dbname().unwrap().to_owned();
        plain
            .execute(&format!(
                "CREATE ROLE {name} LOGIN PASSWORD 'p'; REVOKE TEMPORARY ON DATABASE \"{database_name}\" FROM PUBLIC"
            ))
            .await;
        let url = database.url_as(&name, "p", None);
        let settings = PostgresSettings::new(Arc::new(move || Ok(url.clone())));
        let destination = PostgresDestination::new(settings, Mutations::default()).unwrap();
        Self { name, destination }
    }

    async fn remove(self, plain: &Plain) {
        drop(self.destination);
        plain.execute(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name)).await;
    }
}

/// A user without any right in a database of others, and what they are to keep in step.
struct Stranger {
    database: TestDatabase,
    plain: Plain,
    user: User,
    mapping: Arc<Mapping>,
    activation: Activation,
}

impl Stranger {
    /// In an empty database.
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let plain = database.plain().await;
        let user = User::new(&database, &plain).await;
        let mapping = scene::letters("account", true);
        let activation = scene::activation(&[&mapping]);
        Self { database, plain, user, mapping, activation }
    }

    /// In one whose owner has run what `keepstep schema` prints.
    async fn to_tables() -> Self {
        let stranger = Self::new().await;
        for statement in PostgresDestination::schema(&stranger.activation) {
            stranger.plain.execute(&statement).await;
        }
        stranger
    }
}

fn problems(findings: &[Finding]) -> Vec<&keepstep::destination::Trouble> {
    findings.iter().filter_map(|finding| finding.problem.as_ref()).collect()
}

/// Runs what the findings say until there is none; answers what was run.
async fn grant_all(user: &User, plain: &Plain, activation: &Activation) -> Vec<String> {
    let mut granted = Vec::new();
    for _round in 0..5 {
        let findings = user.destination.check(activation).await;
        let problems = problems(&findings);
        if problems.is_empty() {
            return granted;
        }
        for problem in problems {
            let grant = problem.hint.split(", or:").next().unwrap().to_owned();
            assert!(grant.starts_with("GRANT "), "{problem:?}");
            plain.execute(&grant).await;
            granted.push(grant);
        }
    }
    panic!("five rounds of grants were not enough: {granted:?}");
}

async fn writes(user: User, activation: Activation, mapping: &Arc<Mapping>) {
    let mut case = Case::taken(user.destination, activation, vec![Arc::clone(mapping)]).await;
    let image =
        |record, version| scene::create(scene::record(record), Some(version), &[(0, text("a"))]);
    case.write(vec![image(1, 1), image(2, 1)]).await.unwrap();
    let patch = scene::patch(scene::record(2), Some(2), &[(1, text("b"))]);
    case.write(vec![scene::delete(scene::record(1), Some(2)), patch]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grants_that_a_check_names_are_enough_to_make_everything() {
    let Stranger { database: _database, plain, user, mapping, activation } = Stranger::new().await;
    let granted = grant_all(&user, &plain, &activation).await;
    // To make both schemas, and temporary tables; nothing else is needed in an empty database.
    assert!(granted.iter().any(|grant| grant.starts_with("GRANT CREATE ON DATABASE")));
    assert!(granted.iter().any(|grant| grant.starts_with("GRANT TEMPORARY ON DATABASE")));
    user.destination.activate(&activation).await.unwrap();
    let findings = user.destination.check(&activation).await;
    assert_eq!(problems(&findings), Vec::<&keepstep::destination::Trouble>::new());
    let name = user.name.clone();
    writes(user, activation, &mapping).await;
    plain.execute(&format!("DROP OWNED BY {name} CASCADE; DROP ROLE {name}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_exists_needs_no_right_to_create() {
    let Stranger { database: _database, plain, user, mapping, activation } =
        Stranger::to_tables().await;
    let granted = grant_all(&user, &plain, &activation).await;
    assert!(granted.iter().all(|grant| !grant.contains("CREATE")), "{granted:?}");
    user.destination.activate(&activation).await.unwrap();
    // A column that is missing needs its owner, and both the check and the activation say so.
    let kind = keepstep::model::entity::AttributeKind::Integer;
    let mut attributes: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let kind = keepstep::model::entity::AttributeKind::Text { max_length: Some(100) };
            scene::attribute(name, kind)
        })
        .into();
    attributes.push(scene::attribute("grown", kind));
    let grown = scene::activation(&[&scene::mapping("account", true, attributes)]);
    let findings = user.destination.check(&grown).await;
    let found = problems(&findings);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].hint.contains("ADD COLUMN IF NOT EXISTS \"grown\" integer"), "{found:?}");
    // The entity stands back; its table is as it was.
    let refused = user.destination.activate(&grown).await.unwrap().refused;
    assert_eq!(refused[0].trouble.code, "42501");
    assert!(refused[0].trouble.hint.contains("ADD COLUMN IF NOT EXISTS \"grown\" integer"));
    let name = user.name.clone();
    writes(user, activation, &mapping).await;
    plain.execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_for_a_person() {
    let Stranger { database, plain, user, activation, .. } = Stranger::new().await;
    let open = |url: Result<String, String>| {
        let settings = PostgresSettings::new(Arc::new(move || url.clone()));
        PostgresDestination::new(settings, Mutations::default()).unwrap()
    };
    let url = |password: &str| database.url_as(&user.name, password, None);
    for (source, code) in [
        (Ok("not a url hunter2".to_owned()), "url_wrong"),
        (Err("The environment variable X is not set.".to_owned()), "url_missing"),
        (Ok(format!("{}?sslmode=verify-full", url("p"))), "no_tls"),
        (Ok(url("wrong")), "28P01"),
        (Ok(format!("{}_missing", url("p"))), "3D000"),
    ] {
        let findings = open(source).check(&activation).await;
        let found = problems(&findings);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].code, code, "{found:?}");
        assert!(!format!("{found:?}").contains("hunter2"));
    }
    user.remove(&plain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_tables_of_an_older_version_are_upgraded_and_lost_ones_are_told() {
    let database = TestDatabase::new().await;
    let plain = database.plain().await;
    let case = Case::new(database.open(Mutations::default())).await;
    plain.execute("UPDATE keepstep.schema_version SET version = 0").await;
    case.destination.activate(&case.activation).await.unwrap();
    let row = plain.client.query_one("SELECT version FROM keepstep.schema_version", &[]).await;
    assert_eq!(row.unwrap().get::<_, i64>(0), OWN_VERSION);
    plain.execute("DROP TABLE keepstep.tombstone").await;
    match case.destination.activate(&case.activation).await.unwrap_err() {
        DestinationError::Fatal(trouble) => assert_eq!(trouble.code, "own_table_lost"),
        other => panic!("{other:?}"),
    }
    let findings = case.destination.check(&case.activation).await;
    assert_eq!(problems(&findings)[0].code, "own_table_lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_needs_no_more_than_a_check_names() {
    let Stranger { database: _database, plain, user, mapping, activation } =
        Stranger::to_tables().await;
    // As version 1 left it, but for a table that somebody made already.
    plain
        .execute("DROP TABLE keepstep.held_change, keepstep.lane_state; UPDATE keepstep.schema_version SET version = 1")
        .await;
    let granted = grant_all(&user, &plain, &activation).await;
    assert!(granted.iter().any(|grant| grant.starts_with("GRANT CREATE ON SCHEMA \"keepstep\"")));
    user.destination.activate(&activation).await.unwrap();
    let row = plain.client.query_one("SELECT version FROM keepstep.schema_version", &[]).await;
    assert_eq!(row.unwrap().get::<_, i64>(0), OWN_VERSION);
    let name = user.name.clone();
    writes(user, activation, &mapping).await;
    plain.execute(&format!("DROP OWNED BY {name} CASCADE; DROP ROLE {name}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_right_is_waited_for() {
    let Stranger { database: _database, plain, user, mapping, activation } =
        Stranger::to_tables().await;
    grant_all(&user, &plain, &activation).await;
    let name = user.name.clone();
    user.destination.activate(&activation).await.unwrap();
    let mut case = Case::taken(user.destination, activation, vec![Arc::clone(&mapping)]).await;
    let hold = Hold {
        key: HeldKey { offset: Offset(0), entity: None, record_id: None },
        creates: false,
        version: None,
        cause: HeldCause::waits(),
        attempt: 0,
    };
    let rows = case.batch(vec![vec![scene::create(scene::record(1), Some(1), &[])]]);
    let both = Arc::new(Batch { holds: vec![hold], ..(*rows).clone() });
    for table in ["conformance.account", "keepstep.held_change", "keepstep.checkpoint"] {
        plain.execute(&format!("REVOKE UPDATE, INSERT ON {table} FROM {name}")).await;
        let tried = case.destination.try_out(&case.fence(), &both).await;
        let written = case.destination.write(&case.fence(), &both).await;
        for answer in [tried, written] {
            match answer {
                Err(WriteError::Retry(trouble)) => assert_eq!(trouble.code, "42501", "{table}"),
                other => panic!("{table}: {other:?}"),
            }
        }
        if table == "keepstep.checkpoint" {
            match case.destination.take(&case.lane, case.token).await {
                Err(DestinationError::Retry(trouble)) => assert_eq!(trouble.code, "42501"),
                other => panic!("{other:?}"),
            }
        }
        plain.execute(&format!("GRANT UPDATE, INSERT ON {table} TO {name}")).await;
        case.destination.write(&case.fence(), &both).await.unwrap();
        case.next += 1;
    }
    drop(case);
    plain.execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;
}
