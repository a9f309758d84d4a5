//! The database of the chaos: its tables, what it refuses, and what stands in them.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use uuid::Uuid;

use super::judge::{Open, Row};
use super::source::{ENTITIES, REFUSED_NOTE};

/// The column that is renamed away and back.
const RENAMED: &str = "n3";
/// The entity that it is a column of.
pub(super) const RENAMED_IN: &str = "beta";

/// After the tables are made: triggers that note updates which were not newer, and what refuses
/// forbidden notes: constraints, and for one table a trigger.
pub(super) async fn watch(client: &Client) {
    let mut text = "CREATE TABLE not_newer (id uuid);
        CREATE FUNCTION note_updates() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.versionnumber <= OLD.versionnumber THEN INSERT INTO not_newer VALUES (OLD.\"Id\"); END IF;
          RETURN NEW; END $$;"
        .to_owned();
    for (entity, versioned) in ENTITIES {
        text.push_str(&if versioned {
            format!(
                "CREATE TRIGGER note_updates BEFORE UPDATE ON {entity} FOR EACH ROW EXECUTE FUNCTION note_updates();
                 ALTER TABLE {entity} ADD CONSTRAINT nothing_forbidden CHECK (note NOT LIKE '{REFUSED_NOTE}%');"
            )
        } else {
            format!(
                "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF NEW.note LIKE '{REFUSED_NOTE}%' THEN RAISE EXCEPTION 'not %', NEW.note; END IF;
                   RETURN NEW; END $$;
                 CREATE TRIGGER nothing_forbidden BEFORE INSERT OR UPDATE ON {entity} FOR EACH ROW EXECUTE FUNCTION forbid();"
            )
        });
    }
    client.batch_execute(&text).await.expect("the triggers are made");
}

/// From now on the database takes everything.
pub(super) async fn allow_all(client: &Client) {
    for (entity, versioned) in ENTITIES {
        let text = match versioned {
            true => format!("ALTER TABLE {entity} DROP CONSTRAINT nothing_forbidden"),
            false => format!("DROP TRIGGER nothing_forbidden ON {entity}"),
        };
        client.batch_execute(&text).await.expect("it is dropped");
    }
}

/// Somebody renames a column.
pub(super) async fn rename_away(client: &Client) {
    rename(client, RENAMED, "renamed").await;
}

/// And renames it back.
pub(super) async fn rename_back(client: &Client) {
    rename(client, "renamed", RENAMED).await;
}

async fn rename(client: &Client, from: &str, to: &str) {
    let text = format!("ALTER TABLE {RENAMED_IN} RENAME COLUMN {from} TO {to}");
    client.batch_execute(&text).await.expect("the column is renamed");
}

/// How many lanes say that they have paused an entity.
pub(super) async fn paused_lanes(client: &Client) -> Option<i64> {
    let text =
        "SELECT count(*) FROM keepstep.lane_state WHERE body::json->'paused'->>$1 IS NOT NULL";
    let row = client.query_one(text, &[&RENAMED_IN]).await.ok()?;
    row.get(0)
}

/// Versioned updates that were not newer than the row.
pub(super) async fn not_newer(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM not_newer", &[]).await.unwrap().get(0)
}

/// Per partition the offset up to which every entity is settled, or only most of them are.
pub(super) async fn settled(client: &Client) -> Option<BTreeMap<u32, i64>> {
    let text = "SELECT partition, min(next_offset) FROM keepstep.checkpoint GROUP BY partition";
    let rows = client.query(text, &[]).await.ok()?;
    let partition = |number: i32| u32::try_from(number).unwrap();
    Some(rows.iter().map(|row| (partition(row.get(0)), row.get(1))).collect())
}

/// What is held, and whether the dead-letter topic knows it all.
pub(super) async fn held(client: &Client) -> (Vec<Open>, bool) {
    let text = "SELECT partition, change_offset, record_id, cause, detail, open,
                  coalesce(published, -1) >= revision FROM keepstep.held_change";
    let rows = client.query(text, &[]).await.unwrap();
    let published = rows.iter().all(|row| row.get(6));
    let open = rows.iter().filter(|row| row.get(5)).map(|row| Open {
        place: (u32::try_from(row.get::<_, i32>(0)).unwrap(), row.get(1)),
        record: row.get(2),
        cause: row.get(3),
        detail: row.get(4),
    });
    (open.collect(), published)
}

/// Every row of every table.
pub(super) async fn rows(client: &Client) -> BTreeMap<String, BTreeMap<Uuid, Row>> {
    let mut tables = BTreeMap::new();
    for (entity, _) in ENTITIES {
        let text =
            format!("SELECT \"Id\", versionnumber, n0, n1, n2, n3, name, note FROM {entity}");
        let rows = client.query(&text, &[]).await.unwrap();
        let rows = rows.into_iter().map(|row| {
            let numbers = [row.get(2), row.get(3), row.get(4), row.get(5)];
            (row.get(0), Row { version: row.get(1), numbers, texts: [row.get(6), row.get(7)] })
        });
        tables.insert(entity.to_owned(), rows.collect());
    }
    tables
}

/// Every table of ours, as text.
pub(super) async fn own_tables(client: &Client) -> Vec<(String, String)> {
    let text = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'keepstep'";
    let mut all = Vec::new();
    for table in client.query(text, &[]).await.unwrap() {
        let name: String = table.get(0);
        let text =
            format!("SELECT coalesce(string_agg(it::text, E'\\n'), '') FROM keepstep.{name} it");
        all.push((name, client.query_one(&text, &[]).await.unwrap().get(0)));
    }
    assert!(all.len() > 5, "the own tables are there");
    all
}
