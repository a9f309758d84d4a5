//! Activation: what is bound to whom, what is added, what is refused, what stays.

use std::sync::Arc;

use keepstep::destination::{Activation, Destination, DestinationError, WriteError};
use keepstep::model::entity::AttributeKind;
use keepstep::model::mapping::Mapping;
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use keepstep::model::profile::ProfileId;

use super::laboratory::Tamper;
use super::outcome::{Outcome, equal, holds, refused, worked};
use super::scene::{self, Scene, attribute, text};
use super::serial_model::Model;

/// An activation of `mappings` by another profile, topic or number of partitions.
fn other(mappings: &[&Arc<Mapping>], profile: &str, topic: &str, partitions: u32) -> Activation {
    let topic = Topic::new(topic);
    let mut activation = scene::activation(mappings);
    activation.profile = ProfileId::new(profile).expect("a valid id");
    for entity in &mut activation.entities {
        entity.topic = topic.clone();
        entity.partitions = partitions;
    }
    let start = |partition| (TopicPartition::new(&topic, partition), NextOffset::ZERO);
    activation.starts = (0..partitions).map(start).collect();
    activation
}

async fn is_refused(scene: &Scene, what: &str, activation: &Activation) -> Outcome {
    let error = refused(what, scene.open().await.activate(activation).await)?;
    holds(&format!("{what} is fatal: {error:?}"), matches!(error, DestinationError::Fatal(_)))
}

/// A table has one owner: profile, entity, topic and partition count.
pub async fn a_table_has_one_owner(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let topic = "conformance.topic";
    for (what, profile, topic, partitions) in [
        ("another profile", "other", topic, 2),
        ("another topic", "conformance", "other.topic", 2),
        ("more partitions", "conformance", topic, 3),
        ("fewer partitions", "conformance", topic, 1),
    ] {
        is_refused(&scene, what, &other(&[&mapping], profile, topic, partitions)).await?;
    }
    let renamed = {
        let table =
            keepstep::model::table::Table { name: "elsewhere".into(), ..mapping.table.clone() };
        let definition = keepstep::model::entity::EntityDefinition {
            name: mapping.entity.clone(),
            primary_id: "".into(),
            intersect: None,
            attributes: Vec::new(),
        };
        let unknown = keepstep::model::mapping::UnknownAttribute::Stop;
        Arc::new(Mapping::new(&definition, table, true, unknown))
    };
    is_refused(&scene, "another table for the entity", &scene::activation(&[&renamed])).await?;
    is_refused(&scene, "one table twice", &scene::activation(&[&mapping, &mapping])).await?;
    // The owner is not disturbed, and its neighbour on a table of its own neither.
    let change = scene::create(scene::record(1), Some(1), &[(0, text("mine"))]);
    worked("the owner's write", lane.write(&scene::batch(&mapping, vec![change])).await)?;
    let contact = scene::letters("contact", true);
    let neighbour = other(&[&contact], "other", topic, 5);
    let mut lane = scene.lane(&neighbour).await?;
    let change = scene::create(scene::record(1), Some(1), &[(0, text("theirs"))]);
    worked("the neighbour's write", lane.write(&scene::batch(&contact, vec![change])).await)?;
    equal("the neighbour's lane", &lane.checkpoint.lowest().0, &1)
}

/// Activating again, by the same handle or another, changes nothing.
pub async fn activation_is_idempotent(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let mut lane = scene.lane(&activation).await?;
    let change = scene::create(scene::record(1), Some(1), &[(0, text("stays"))]);
    worked("the write", lane.write(&scene::batch(&mapping, vec![change])).await)?;
    let gone = scene::delete(scene::record(2), Some(1));
    worked("the delete", lane.write(&scene::batch(&mapping, vec![gone])).await)?;
    let database = &scene.database;
    let before = (
        database.rows(&mapping.table).await,
        database.tombstones(&activation.profile).await,
        database.cursors(&lane.id).await,
        database.columns(&mapping.table).await,
    );
    for _ in 0..2 {
        drop(scene.activated(&activation).await?);
        worked("the same handle", lane.destination.activate(&activation).await)?;
    }
    let mut later = activation.clone();
    for (_, start) in &mut later.starts {
        // A start is for lanes without a checkpoint; these have one.
        *start = NextOffset(1_000);
    }
    drop(scene.activated(&later).await?);
    let after = (
        database.rows(&mapping.table).await,
        database.tombstones(&activation.profile).await,
        database.cursors(&lane.id).await,
        database.columns(&mapping.table).await,
    );
    equal("the database", &after, &before)?;
    // The running lane still owns its partition.
    let change = scene::create(scene::record(3), Some(1), &[(0, text("goes on"))]);
    worked("the lane's next write", lane.write(&scene::batch(&mapping, vec![change])).await)?;
    Ok(())
}

/// Activates as a pipeline does: again where the destination was not available just then.
async fn until_it_works(destination: &dyn Destination, activation: &Activation) -> Outcome {
    for _ in 0..100 {
        match destination.activate(activation).await {
            Err(DestinationError::Retry(_)) => tokio::task::yield_now().await,
            other => return worked("an activation", other.map(drop)),
        }
    }
    Err("an activation was put off a hundred times".to_owned())
}

/// Several processes that start at once find each other's work and go on.
pub async fn activations_at_once_agree(scene: Scene) -> Outcome {
    let mappings = ["account", "contact", "lead"].map(|entity| scene::letters(entity, true));
    let activation = scene::activation(&mappings.each_ref());
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (destination, activation) = (scene.open().await, activation.clone());
        starting.spawn(async move { until_it_works(&*destination, &activation).await });
    }
    while let Some(activated) = starting.join_next().await {
        worked("its task", activated)??;
    }
    let cursors = scene.database.cursors(&scene::lane_id(&activation, 0)).await;
    equal("cursors", &cursors.len(), &1)
}

/// Lanes start where the activation says.
pub async fn lanes_start_where_they_should(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut activation = scene::activation(&[&mapping]);
    (activation.starts[0].1, activation.starts[1].1) = (NextOffset(7), NextOffset(i64::MAX - 1));
    let destination = scene.activated(&activation).await?;
    for (partition, start) in [(0, 7), (1, i64::MAX - 1)] {
        let id = scene::lane_id(&activation, partition);
        equal("owners before a take", &scene.cursor(&id).await?.owner, &None)?;
        let lane = scene::Lane::take(Arc::clone(&destination), &id).await?;
        equal("the start", &lane.checkpoint.lowest().0, &start)?;
        equal("the owner after a take", &scene.cursor(&id).await?.owner, &Some(lane.token))?;
    }
    Ok(())
}

/// Columns are added where the definition grew; those that it lost stay, and so does every row.
pub async fn columns_are_added_and_never_dropped(scene: Scene) -> Outcome {
    let number = || attribute("number", AttributeKind::Decimal { precision: 2 });
    let letter = |name: &str| attribute(name, AttributeKind::Text { max_length: Some(100) });
    let narrow = scene::mapping("account", true, vec![letter("a"), letter("b")]);
    let wide =
        scene::mapping("account", true, vec![letter("a"), number(), letter("b"), letter("c")]);
    let less = scene::mapping("account", true, vec![letter("c")]);
    let mut lane = scene.lane(&scene::activation(&[&narrow])).await?;
    let old = scene::create(scene::record(1), Some(1), &[(0, text("old a")), (1, text("old b"))]);
    worked("the write", lane.write(&scene::batch(&narrow, vec![old])).await)?;

    let mut lane = scene.lane(&scene::activation(&[&wide])).await?;
    let price = keepstep::model::cell::Cell::Decimal("-12.30".parse().expect("a decimal"));
    let changes = vec![
        scene::patch(scene::record(1), Some(2), &[(1, price.clone())]),
        scene::create(scene::record(2), Some(1), &[(1, price), (3, text("new c"))]),
    ];
    worked("the write", lane.write(&scene::batch(&wide, changes)).await)?;
    let rows = scene.database.rows(&wide.table).await;
    let cells: Vec<_> = rows.into_iter().map(|row| row.cells).collect();
    let some = |text: &str| Some(text.to_owned());
    let expected = vec![
        vec![some("old a"), some("-12.30"), some("old b"), None],
        vec![None, some("-12.30"), None, some("new c")],
    ];
    equal("the rows", &cells, &expected)?;

    let mut lane = scene.lane(&scene::activation(&[&less])).await?;
    let change = scene::patch(scene::record(1), Some(3), &[(0, text("c too"))]);
    worked("the write", lane.write(&scene::batch(&less, vec![change])).await)?;
    let rows = scene.database.rows(&wide.table).await;
    let expected = vec![some("old a"), some("-12.30"), some("old b"), some("c too")];
    equal("the patched row", &rows.first().map(|row| &row.cells), &Some(&expected))?;
    let columns = scene.database.columns(&wide.table).await;
    holds("no column went", columns.is_empty() || columns.len() == 8)
}

/// Own tables of a version that this program does not know are left alone.
pub async fn newer_own_tables_are_refused(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    drop(scene.activated(&activation).await?);
    scene.database.tamper(Tamper::OwnTablesNewer).await;
    is_refused(&scene, "newer own tables", &activation).await?;
    let findings = scene.open().await.check(&activation).await;
    let problems = findings.iter().filter_map(|finding| finding.problem.as_ref()).count();
    holds("the check finds it", problems > 0)
}

/// A table or a column that someone dropped is its table's trouble, for a write and for a trial,
/// and loses nothing; an activation heals it.
pub async fn what_someone_dropped_is_its_tables_trouble(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let mut lane = scene.lane(&activation).await?;
    let cells = [(0, text("a")), (1, text("b"))];
    let first = scene::create(scene::record(1), Some(1), &cells);
    worked("the write", lane.write(&scene::batch(&mapping, vec![first])).await)?;
    let column = |name: &str| Tamper::ColumnDropped(mapping.table.clone(), name.to_owned());
    let dropped = [
        // A delete does not look at this column.
        ("a column", column("b"), 2),
        ("the version column", column("versionnumber"), 3),
        ("the table", Tamper::TableDropped(mapping.table.clone()), 3),
    ];
    for (what, act, hurt) in dropped {
        scene.database.tamper(act).await;
        let before = scene.database.cursors(&lane.id).await;
        let changes = [
            scene::create(scene::record(2), Some(2), &cells),
            scene::patch(scene::record(1), Some(2), &[(1, text("new"))]),
            scene::delete(scene::record(1), Some(0)),
        ];
        for change in changes.into_iter().take(hurt) {
            let batch = scene::batch(&mapping, vec![change]);
            let tried = lane.destination.try_out(&lane.next_fence(), &batch).await;
            is_table_trouble(what, refused(what, tried)?, &mapping)?;
            is_table_trouble(what, refused(what, lane.write(&batch).await)?, &mapping)?;
        }
        equal("the checkpoint", &scene.database.cursors(&lane.id).await, &before)?;
        worked("the activation that heals", lane.destination.activate(&activation).await)?;
        let change = scene::image(scene::record(3), Some(3), &cells);
        worked("the write after it", lane.write(&scene::batch(&mapping, vec![change])).await)?;
    }
    Ok(())
}

/// Names the entity, where the database can tell, and says what to do.
fn is_table_trouble(what: &str, error: WriteError, mapping: &Mapping) -> Outcome {
    let WriteError::Table { entity, trouble } = error else {
        return Err(format!("{what} is its table's trouble and not {error:?}"));
    };
    holds(
        &format!("{what} is blamed on {entity:?}"),
        entity.is_none_or(|entity| entity == mapping.entity),
    )?;
    holds(&format!("{what} has a hint"), !trouble.hint.is_empty())
}

/// A check tries everything, reports every problem, and changes nothing.
pub async fn a_check_changes_nothing(scene: Scene) -> Outcome {
    let account = scene::letters("account", true);
    let wrong = [
        scene::mapping("first", true, vec![attribute("Id", AttributeKind::Guid)]),
        scene::mapping("second", true, vec![attribute("SinkCreatedOn", AttributeKind::Guid)]),
    ];
    let new = scene::activation(&[&account]);
    let problems = |findings: &[keepstep::destination::Finding]| {
        findings.iter().filter(|finding| finding.problem.is_some()).count()
    };
    let findings = scene.open().await.check(&new).await;
    equal(&format!("problems before anything is there: {findings:?}"), &problems(&findings), &0)?;
    holds("a check says what it tried", !findings.is_empty())?;
    // Nothing was made by it: another profile may still be the first.
    let mut lane = scene.lane(&new).await?;
    let change = scene::create(scene::record(1), Some(1), &[(0, text("a"))]);
    worked("the write", lane.write(&scene::batch(&account, vec![change])).await)?;
    let before = scene.database.cursors(&lane.id).await;

    let both = scene::activation(&[&account, &wrong[0], &wrong[1]]);
    let findings = scene.open().await.check(&both).await;
    holds(&format!("both wrong tables are named: {findings:?}"), problems(&findings) >= 2)?;
    let thief = other(&[&account], "thief", "conformance.topic", 2);
    let findings = scene.open().await.check(&thief).await;
    holds(&format!("the thief is told: {findings:?}"), problems(&findings) >= 1)?;
    let grown = scene::mapping(
        "account",
        true,
        vec![
            attribute("grown", AttributeKind::Memo),
            attribute("a", AttributeKind::Text { max_length: Some(100) }),
        ],
    );
    let findings = scene.open().await.check(&scene::activation(&[&grown])).await;
    equal(&format!("problems of a new column: {findings:?}"), &problems(&findings), &0)?;
    let columns = scene.database.columns(&account.table).await;
    holds("no column came", !columns.contains(&"grown".to_owned()))?;
    equal("the checkpoint", &scene.database.cursors(&lane.id).await, &before)?;
    let change = scene::create(scene::record(2), Some(1), &[(0, text("a"))]);
    worked("the lane goes on", lane.write(&scene::batch(&account, vec![change])).await)?;
    Ok(())
}

/// Everything is still there for a new handle after all others are closed.
pub async fn everything_survives_reopening(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let mut model = Model::new(&mapping);
    for round in 0..5 {
        let mut lane = scene.lane(&activation).await?;
        equal("the checkpoint", &lane.checkpoint.lowest().0, &round)?;
        let number = u128::from(round.unsigned_abs());
        let changes = vec![
            scene::create(scene::record(number), Some(round), &[(0, text("made"))]),
            scene::delete(scene::record(number + 100), Some(round)),
            scene::image(scene::record(0), Some(round), &[(1, text(&format!("round {round}")))]),
        ];
        let changes = if round == 0 { changes[1..].to_vec() } else { changes };
        let expected = model.apply_all(&changes);
        let written = lane.write(&scene::batch(&mapping, changes)).await;
        equal("the counts", &worked("the write", written)?.tables, &vec![expected])?;
        drop(lane);
        model.is_in("reopened", &*scene.database).await?;
    }
    Ok(())
}
