//! SQL Server under chaos. The server is nobody's to kill, so it is away when nobody gets through.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tiberius::Row as Line;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::chaos::database::{Database, RENAMED, RENAMED_IN};
use crate::chaos::judge::{Open, Row};
use crate::chaos::source::{ENTITIES, REFUSED_NOTE};
use crate::laboratory::as_it_reads;
use crate::scene::servers::{Server, Servers};
use crate::server::{Databases, Plain, TestDatabase, address, through};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlserver_loses_nothing_applies_nothing_twice_and_the_list_is_true() {
    let servers = Arc::new(Servers::start(&[Server::Broker]));
    let database = Arc::new(Databases::default()).lend().await;
    let plain = Mutex::new(database.plain().await);
    let database = Arc::new(SqlServer { plain, database });
    crate::chaos::loses_nothing_applies_nothing_twice_and_the_list_is_true(servers, database).await;
}

struct SqlServer {
    /// Past all proxies. Gone before the database is.
    plain: Mutex<Plain>,
    database: TestDatabase,
}

impl SqlServer {
    async fn execute(&self, text: &str) {
        self.plain.lock().await.execute(text).await;
    }

    async fn lines(&self, text: &str) -> Vec<Line> {
        self.plain.lock().await.rows(text).await
    }

    async fn rename(&self, from: &str, to: &str) {
        let text = format!("EXEC sp_rename 'dbo.{RENAMED_IN}.{from}', '{to}', 'COLUMN'");
        self.execute(&text).await;
    }
}

fn text(line: &Line, at: usize) -> Option<String> {
    line.get::<&str, _>(at).map(str::to_owned)
}

#[async_trait]
impl Database for SqlServer {
    fn name(&self) -> &'static str {
        "SQL Server"
    }

    fn address(&self) -> SocketAddr {
        let address = address();
        let mut found = address.to_socket_addrs().unwrap_or_else(|e| panic!("{address}: {e}"));
        found.find(SocketAddr::is_ipv4).unwrap_or_else(|| panic!("{address} has no address"))
    }

    fn settings(&self, port: u16, secret: &Path) -> String {
        std::fs::write(secret, through(port, &self.database.connection_string())).unwrap();
        format!(
            "kind = \"sqlserver\"\nconnection_string = \"file:{}\"\ntrust_server_certificate = true\ncommand_timeout_s = 10",
            secret.display()
        )
    }

    fn password(&self) -> String {
        crate::server::password()
    }

    fn refusals(&self) -> &'static [&'static str] {
        &["547", "50001"]
    }

    async fn make(&self, ddl: &str) {
        let ddl = as_it_reads(ddl, &mut *self.plain.lock().await).await;
        self.execute(&ddl).await;
        self.execute("CREATE TABLE dbo.not_newer (id uniqueidentifier NOT NULL)").await;
        for (entity, versioned) in ENTITIES {
            if !versioned {
                let text = format!(
                    "CREATE TRIGGER nothing_forbidden ON dbo.{entity} AFTER INSERT, UPDATE AS BEGIN SET NOCOUNT ON;
                     IF EXISTS (SELECT 1 FROM inserted WHERE note LIKE N'{REFUSED_NOTE}%') THROW 50001, 'not this', 1; END"
                );
                self.execute(&text).await;
                continue;
            }
            let text = format!(
                "CREATE TRIGGER note_updates_{entity} ON dbo.{entity} AFTER UPDATE AS BEGIN SET NOCOUNT ON;
                 INSERT INTO dbo.not_newer (id) SELECT i.Id FROM inserted AS i JOIN deleted AS d ON d.Id = i.Id
                   WHERE i.versionnumber <= d.versionnumber; END"
            );
            self.execute(&text).await;
            let constraint = format!("CHECK (note NOT LIKE N'{REFUSED_NOTE}%')");
            let text =
                format!("ALTER TABLE dbo.{entity} ADD CONSTRAINT nothing_{entity} {constraint}");
            self.execute(&text).await;
        }
    }

    async fn allow_all(&self) {
        for (entity, versioned) in ENTITIES {
            self.execute(&match versioned {
                true => format!("ALTER TABLE dbo.{entity} DROP CONSTRAINT nothing_{entity}"),
                false => "DROP TRIGGER nothing_forbidden".to_owned(),
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
        let bodies = self.lines("SELECT body FROM keepstep.lane_state").await;
        let paused = |line: &&Line| {
            let body = text(line, 0).unwrap_or_default();
            let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
            body["paused"].get(RENAMED_IN).is_some()
        };
        i64::try_from(bodies.iter().filter(paused).count()).ok()
    }

    async fn settled(&self) -> Option<BTreeMap<u32, i64>> {
        let text =
            "SELECT [partition], MIN(next_offset) FROM keepstep.[checkpoint] GROUP BY [partition]";
        let lines = self.lines(text).await;
        let place = |line: &Line| {
            Some((u32::try_from(line.get::<i32, _>(0)?).ok()?, line.get::<i64, _>(1)?))
        };
        Some(lines.iter().filter_map(place).collect())
    }

    async fn not_newer(&self) -> i64 {
        let lines = self.lines("SELECT COUNT_BIG(*) FROM dbo.not_newer").await;
        lines[0].get(0).unwrap()
    }

    async fn held(&self) -> (Vec<Open>, bool) {
        let lines = self
            .lines(
                "SELECT [partition], change_offset, record_id, cause, detail, [open],
                   CAST(CASE WHEN COALESCE(published, -1) >= revision THEN 1 ELSE 0 END AS bit)
                 FROM keepstep.held_change",
            )
            .await;
        let flag = |line: &Line, at: usize| line.get::<bool, _>(at).unwrap();
        let published = lines.iter().all(|line| flag(line, 6));
        let open = lines.iter().filter(|line| flag(line, 5)).map(|line| Open {
            place: (u32::try_from(line.get::<i32, _>(0).unwrap()).unwrap(), line.get(1).unwrap()),
            record: line.get(2).unwrap(),
            cause: text(line, 3).unwrap(),
            detail: text(line, 4).unwrap(),
        });
        (open.collect(), published)
    }

    async fn rows(&self) -> BTreeMap<String, BTreeMap<Uuid, Row>> {
        let mut tables = BTreeMap::new();
        for (entity, _) in ENTITIES {
            let columns = "Id, versionnumber, n0, n1, n2, n3, name, note";
            let lines = self.lines(&format!("SELECT {columns} FROM dbo.{entity}")).await;
            let row = |line: &Line| {
                let numbers = [line.get(2), line.get(3), line.get(4), line.get(5)];
                let texts = [text(line, 6), text(line, 7)];
                (line.get(0).unwrap(), Row { version: line.get(1), numbers, texts })
            };
            tables.insert(entity.to_owned(), lines.iter().map(row).collect());
        }
        tables
    }

    async fn own_tables(&self) -> Vec<(String, String)> {
        let names = "SELECT TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'keepstep'";
        let mut all = Vec::new();
        for name in self.lines(names).await {
            let (table, column) = (text(&name, 0).unwrap(), text(&name, 1).unwrap());
            let cells = format!("SELECT CAST([{column}] AS nvarchar(max)) FROM keepstep.[{table}]");
            let cells = self.lines(&cells).await;
            let cells = cells.iter().filter_map(|line| text(line, 0)).collect::<Vec<_>>();
            all.push((format!("{table}.{column}"), cells.join("\n")));
        }
        assert!(all.len() > 20, "the own tables are there");
        all
    }
}
