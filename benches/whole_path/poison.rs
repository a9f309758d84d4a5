//! What records that cannot be written cost the others: one in a hundred spread evenly, and an
//! entity of which every one is bad. The clean run alternates with each, on the same table, and
//! what is held and what is written is counted afterwards: a rate of wrong work is none.

use keepstep::model::layout::{Existing, Layout as Plain};
use std::sync::Arc;

use ::keepstep::codec::encode_change;
use ::keepstep::destination::postgres::PostgresDestination;
use ::keepstep::destination::{ActivatedEntity, Activation};
use ::keepstep::log::NewRecord;
use ::keepstep::model::change::{Image, Operation};
use ::keepstep::model::entity_json::read_definitions;
use ::keepstep::model::mapping::{Mapping, UnknownAttribute};
use ::keepstep::model::position::Topic;
use ::keepstep::model::profile::ProfileId;
use ::keepstep::model::record::EntityName;
use ::keepstep::model::table::Table;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

use crate::case::PARTITIONS;
use crate::keepstep::{Orders, Run};
use crate::report::{Aim, Aimed};
use crate::rows::{Datum, ENTITY, Kind, Layout, change};
use crate::{Bench, CONNECTIONS, bare_postgres};

/// The entity of which every change is bad.
const POISONED: &str = "poisoned";
/// One change in so many is bad.
const EVERY: usize = 100;

/// Who finds that a change is bad.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finder {
    /// keepstep, before it sends: a text longer than its column.
    OwnCheck,
    /// The database alone: a number that a CHECK refuses.
    Database,
}

/// New records, of which one in `every` is bad.
fn records(
    layout: &Layout,
    entity: &str,
    count: usize,
    bad: Option<(Finder, usize)>,
) -> Vec<NewRecord> {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut records = Vec::with_capacity(count);
    for number in 0..count {
        let id = Uuid::from_u128(rng.random());
        let mut row = layout.row(id, &mut rng);
        match bad {
            Some((finder, every)) if number % every == every / 2 => spoil(layout, &mut row, finder),
            _ => {}
        }
        let cells: Vec<(usize, Datum)> = row.into_iter().enumerate().collect();
        let version = i64::try_from(number).unwrap() + 1;
        let mut change = change(layout, id, version, Operation::Create, Image::Full, &cells);
        change.entity = EntityName::new(entity);
        records.push(NewRecord {
            key: Some(change.record_id.canonical().into_bytes().into()),
            payload: Some(encode_change(&change).into()),
            ..NewRecord::default()
        });
    }
    records
}

fn spoil(layout: &Layout, row: &mut [Datum], finder: Finder) {
    let (kind, bad) = match finder {
        Finder::OwnCheck => (Kind::Text, Datum::Text("x".repeat(201))),
        Finder::Database => (Kind::Integer, Datum::Integer(-1)),
    };
    let at = layout.columns.iter().position(|(_, other)| *other == kind).unwrap();
    row[at] = bad;
}

/// The columns of the CHECK: no number below nought.
fn checks(layout: &Layout, entity: &str) -> String {
    let numbers = layout.columns.iter().filter(|(_, kind)| *kind == Kind::Integer);
    let checks = numbers.map(|(name, _)| format!("\"{name}\" >= 0"));
    let all = checks.collect::<Vec<_>>().join(" AND ");
    format!("ALTER TABLE public.\"{entity}\" ADD CONSTRAINT no_number_below CHECK ({all})")
}

/// One run: its rate on the topic of the measured entity, what was written there, what is held.
struct Outcome {
    run: Run,
    written: usize,
    held: usize,
}

impl Bench {
    /// One change in a hundred is bad: found by keepstep, and found by the database alone.
    pub async fn poison_one_percent(&mut self) -> Vec<Aimed> {
        let layout = Layout::narrow();
        let count = self.count(400_000);
        let definition = self.definition(&layout);
        let clean = self.topic(&records(&layout, ENTITY, count, None)).await;
        let mut aimed = Vec::new();
        for (name, finder) in [
            ("poison-1-percent, own check", Finder::OwnCheck),
            ("poison-1-percent, database", Finder::Database),
        ] {
            let bad = records(&layout, ENTITY, count, Some((finder, EVERY)));
            let bad = self.topic(&bad).await;
            let mut case = Aimed::new(name, Aim::TimesAtMost(2.0));
            for round in 0..self.rounds {
                let entities = |topic: &str| vec![(ENTITY.to_owned(), topic.to_owned())];
                let beside = self.poisoned_run(&definition, &layout, entities(&clean), count).await;
                assert_eq!((beside.written, beside.held), (count, 0));
                let ours = self.poisoned_run(&definition, &layout, entities(&bad), count).await;
                let bad = count / EVERY;
                assert_eq!((ours.written, ours.held), (count - bad, bad));
                println!(
                    "{name} round {round}: clean {:.0}/s, poisoned {:.0}/s, {:.2} µs",
                    beside.run.rate, ours.run.rate, ours.run.cpu_us_per_change
                );
                case.beside.push(beside.run.rate);
                case.ours.push(ours.run.rate);
            }
            aimed.push(case);
        }
        aimed
    }

    /// Every change of one entity is bad; what the other one, with a topic of its own, loses by it.
    pub async fn poison_one_entity(&mut self) -> Aimed {
        let layout = Layout::narrow();
        let count = self.count(400_000);
        let of_one = layout.definition();
        let of_other = of_one.replace(&format!("\"{ENTITY}\""), &format!("\"{POISONED}\""));
        let definition = self.folder.join("definitions.json");
        std::fs::write(&definition, format!("[{of_one},{of_other}]")).unwrap();
        let definition = definition.to_str().unwrap().to_owned();
        let good = self.topic(&records(&layout, ENTITY, count, None)).await;
        let bad = records(&layout, POISONED, count, Some((Finder::Database, 1)));
        let bad = self.topic(&bad).await;
        let mut case = Aimed::new("poison-one-entity", Aim::ShareAtLeast(0.9));
        for round in 0..self.rounds {
            let alone = vec![(ENTITY.to_owned(), good.clone())];
            let both = [alone.clone(), vec![(POISONED.to_owned(), bad.clone())]].concat();
            let beside = self.poisoned_run(&definition, &layout, alone, count).await;
            let ours = self.poisoned_run(&definition, &layout, both, count).await;
            assert_eq!((beside.written, ours.written), (count, count));
            println!(
                "poison-one-entity round {round}: alone {:.0}/s, beside it {:.0}/s, {} held",
                beside.run.rate, ours.run.rate, ours.held
            );
            case.beside.push(beside.run.rate);
            case.ours.push(ours.run.rate);
        }
        case
    }

    /// Runs a profile of these entities, each with its topic, until the first one is settled.
    async fn poisoned_run(
        &mut self,
        definition: &str,
        layout: &Layout,
        entities: Vec<(String, String)>,
        count: usize,
    ) -> Outcome {
        self.fresh_database().await;
        self.runs += 1;
        let profile = format!("bench-poison-{}-{}", std::process::id(), self.runs);
        self.tables_with_checks(definition, layout, &profile).await;
        let failed = ProfileId::new(&profile).unwrap().failed_topic();
        self.create_topic(failed.as_str()).await;
        let orders = Orders {
            log: self.kafka.clone(),
            destination: self.postgres.clone(),
            entities,
            profile: profile.clone(),
            connections: CONNECTIONS,
            versioned: true,
            definition: definition.to_owned(),
            begin: 0,
            end: count as u64,
            linger_ms: 50,
        };
        let run = tokio::task::spawn_blocking(move || orders.run()).await.unwrap();
        let client = bare_postgres::connect(&self.postgres).await;
        let number = async |text: &str| {
            let row = client.query_one(text, &[]).await.unwrap();
            usize::try_from(row.get::<_, i64>(0)).unwrap()
        };
        let written = number("SELECT count(*) FROM account").await;
        let held = number("SELECT count(*) FROM keepstep.held_change WHERE open").await;
        Outcome { run, written, held }
    }

    /// The tables as keepstep would make them, with a CHECK that it does not know.
    async fn tables_with_checks(&self, definition: &str, layout: &Layout, profile: &str) {
        let text = std::fs::read(definition).unwrap();
        let definitions = read_definitions(&text).unwrap();
        let entities = definitions.iter().map(|definition| {
            let table = Table::of(definition, "public", None);
            let mapping = Mapping::new(definition, table, true, UnknownAttribute::Stop);
            ActivatedEntity {
                mapping: Arc::new(mapping),
                topic: Topic::new("any"),
                partitions: PARTITIONS,
            }
        });
        let profile = ProfileId::new(profile).unwrap();
        let activation = Activation {
            profile,
            entities: entities.collect(),
            starts: Vec::new(),
            layout: Plain::plain("public", None),
            existing: Existing::Refuse,
        };
        let client = bare_postgres::connect(&self.postgres).await;
        for statement in PostgresDestination::schema(&activation) {
            client.batch_execute(&statement).await.unwrap();
        }
        for definition in &definitions {
            let check = checks(layout, definition.name.as_str());
            client.batch_execute(&check).await.unwrap();
        }
    }
}
