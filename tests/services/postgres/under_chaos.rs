//! PostgreSQL under chaos: it is killed, and comes back on what it kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tokio_postgres::{Client, Config};
use uuid::Uuid;

use crate::chaos::database::{Database, RENAMED, RENAMED_IN};
use crate::chaos::judge::{Open, Row};
use crate::chaos::proxy::Proxy;
use crate::chaos::source::{ENTITIES, REFUSED_NOTE};
use crate::scene::PATIENCE;
use crate::scene::servers::{Server, Servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_loses_nothing_applies_nothing_twice_and_the_list_is_true() {
    let servers = Arc::new(Servers::start(&[Server::Broker, Server::Database]));
    let database = Arc::new(Postgres { servers: Arc::clone(&servers) });
    crate::chaos::loses_nothing_applies_nothing_twice_and_the_list_is_true(servers, database).await;
}

struct Postgres {
    servers: Arc<Servers>,
}

impl Postgres {
    fn config(&self) -> Config {
        self.servers.url().parse().unwrap()
    }

    /// A connection past all proxies.
    async fn client(&self) -> Client {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(client) = self.servers.client().await {
                return client;
            }
            assert!(Instant::now() < deadline, "the database does not answer");
            tokio::task::yield_now().await;
        }
    }

    async fn execute(&self, text: &str) {
        self.client().await.batch_execute(text).await.unwrap_or_else(|e| panic!("{text}: {e}"));
    }

    async fn rename(&self, from: &str, to: &str) {
        self.execute(&format!("ALTER TABLE {RENAMED_IN} RENAME COLUMN {from} TO {to}")).await;
    }
}

#[async_trait]
impl Database for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.config().get_ports()[0]))
    }

    fn settings(&self, port: u16, secret: &Path) -> String {
        let (config, password) = (self.config(), self.password());
        let (user, name) = (config.get_user().unwrap(), config.get_dbname().unwrap());
        let url = format!("postgres://{user}:{password}@127.0.0.1:{port}/{name}");
        std::fs::write(secret, url).unwrap();
        format!("kind = \"postgres\"\nurl = \"file:{}\"", secret.display())
    }

    fn password(&self) -> String {
        String::from_utf8(self.config().get_password().unwrap().to_vec()).unwrap()
    }

    fn refusals(&self) -> &'static [&'static str] {
        &["23514", "P0001"]
    }

    async fn goes_away(&self, _wires: &[Proxy]) {
        self.servers.kill(Server::Database).await;
    }

    async fn comes_back(&self, _wires: &[Proxy]) {
        self.servers.bring_back(Server::Database).await;
    }

    async fn make(&self, ddl: &str) {
        let mut text = format!(
            "{ddl};
            CREATE TABLE not_newer (id uuid);
            CREATE FUNCTION note_updates() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              IF NEW.versionnumber <= OLD.versionnumber THEN INSERT INTO not_newer VALUES (OLD.\"Id\"); END IF;
              RETURN NEW; END $$;"
        );
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
        self.execute(&text).await;
    }

    async fn allow_all(&self) {
        for (entity, versioned) in ENTITIES {
            self.execute(&match versioned {
                true => format!("ALTER TABLE {entity} DROP CONSTRAINT nothing_forbidden"),
                false => format!("DROP TRIGGER nothing_forbidden ON {entity}"),
            })
            .await;
        }
    }

    async fn rename_away(&self) {
        self.rename(RENAMED, "renamed").await;
    }

    async fn rename_back(&self) {
        self.rename("renamed", RENAMED).await;
    }

    async fn paused_lanes(&self) -> Option<i64> {
        let text =
            "SELECT count(*) FROM keepstep.lane_state WHERE body::json->'paused'->>$1 IS NOT NULL";
        let client = self.servers.client().await?;
        Some(client.query_one(text, &[&RENAMED_IN]).await.ok()?.get(0))
    }

    async fn settled(&self) -> Option<BTreeMap<u32, i64>> {
        let text = "SELECT partition, min(next_offset) FROM keepstep.checkpoint GROUP BY partition";
        let rows = self.servers.client().await?.query(text, &[]).await.ok()?;
        let partition = |number: i32| u32::try_from(number).unwrap();
        Some(rows.iter().map(|row| (partition(row.get(0)), row.get(1))).collect())
    }

    async fn not_newer(&self) -> i64 {
        let client = self.client().await;
        client.query_one("SELECT count(*) FROM not_newer", &[]).await.unwrap().get(0)
    }

    async fn held(&self) -> (Vec<Open>, bool) {
        let text = "SELECT partition, change_offset, record_id, cause, detail, open,
                      coalesce(published, -1) >= revision FROM keepstep.held_change";
        let rows = self.client().await.query(text, &[]).await.unwrap();
        let published = rows.iter().all(|row| row.get(6));
        let open = rows.iter().filter(|row| row.get(5)).map(|row| Open {
            place: (u32::try_from(row.get::<_, i32>(0)).unwrap(), row.get(1)),
            record: row.get(2),
            cause: row.get(3),
            detail: row.get(4),
        });
        (open.collect(), published)
    }

    async fn rows(&self) -> BTreeMap<String, BTreeMap<Uuid, Row>> {
        let client = self.client().await;
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

    async fn own_tables(&self) -> Vec<(String, String)> {
        let client = self.client().await;
        let text = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'keepstep'";
        let mut all = Vec::new();
        for table in client.query(text, &[]).await.unwrap() {
            let name: String = table.get(0);
            let text = format!(
                "SELECT coalesce(string_agg(it::text, E'\\n'), '') FROM keepstep.{name} it"
            );
            all.push((name, client.query_one(&text, &[]).await.unwrap().get(0)));
        }
        assert!(all.len() > 5, "the own tables are there");
        all
    }
}
