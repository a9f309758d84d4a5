//! A database that Data Export Service left behind: looked at, and taken over with every row.

use std::sync::Arc;

use crate::place::{Answer, Place};
use crate::server::{Databases, Plain, TestDatabase};

/// As the old service left it: tables with a prefix, its key names and types, its metadata tables,
/// its delete log. The definition has columns since then that `account` does not; `name` was
/// shorter, and `oldfax` is an attribute no more. Both rows are of the last day of the service.
const LEFT_BEHIND: &[&str] = &[
    r#"CREATE TABLE dbo.crm_account (Id uniqueidentifier NOT NULL, SinkCreatedOn datetime NULL,
        SinkModifiedOn datetime NULL, accountid uniqueidentifier NULL, name nvarchar(100) NULL,
        statecode int NULL, revenue decimal(38, 2) NULL, creditonhold bit NULL, oldfax nvarchar(50) NULL,
        primarycontactid uniqueidentifier NULL, primarycontactid_entitytype nvarchar(128) NULL,
        modifiedon datetime NULL, versionnumber bigint NULL,
        CONSTRAINT "EPK[dbo].[crm_account]" PRIMARY KEY CLUSTERED (Id))"#,
    r"INSERT INTO dbo.crm_account (Id, SinkCreatedOn, accountid, name, statecode, revenue, oldfax, versionnumber)
        VALUES ('00000000-0000-0000-0000-000000000001', '2022-11-30T10:00:00', '00000000-0000-0000-0000-000000000001',
          N'One', 0, 12.50, N'1', 7),
        ('00000000-0000-0000-0000-000000000002', '2022-11-30T10:00:00', '00000000-0000-0000-0000-000000000002',
          N'Two', 1, NULL, NULL, NULL)",
    r#"CREATE TABLE dbo.crm_DeleteLog (Id bigint IDENTITY(1, 1) NOT NULL, EntityName nvarchar(64) NOT NULL,
        RecordId nvarchar(64) NOT NULL, SinkDeleteTime datetime NOT NULL, VersionNumber bigint NOT NULL,
        CONSTRAINT "EPK[dbo].[crm_DeleteLog]" PRIMARY KEY CLUSTERED (Id))"#,
];

/// A table that somebody made in the place of an entity's.
const IN_THE_WAY: &str =
    "CREATE TABLE dbo.crm_contact (Id uniqueidentifier NOT NULL PRIMARY KEY, fullname float NULL)";

const SETTINGS: &str = r#"
[log]
kind = "embedded"
dir = "log"

[destination.sql]
kind = "sqlserver"
connection_string = "file:connection"
trust_server_certificate = true

[[profile]]
id = "crm"
name = "CRM"
destination = "sql"
organization = "contoso"
prefix = "crm"
entities = ["account", "contact"]
definitions = "DEFINITIONS"
write_delete_log = true

[http]
listen = "off"
"#;

/// What is there before keepstep comes.
struct Scene {
    place: Place,
    plain: Plain,
    _database: TestDatabase,
}

impl Scene {
    async fn new(more: &[&str]) -> Self {
        let database = Arc::new(Databases::default()).lend().await;
        let mut plain = database.plain().await;
        for text in LEFT_BEHIND.iter().chain(more) {
            plain.execute(text).await;
        }
        let place = Place::with(SETTINGS);
        std::fs::write(place.path("connection"), database.connection_string()).unwrap();
        Self { place, plain, _database: database }
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.place.run(arguments)
    }

    async fn lines(&mut self, text: &str) -> Vec<String> {
        let rows = self.plain.rows(text).await;
        rows.iter().map(|row| row.get::<&str, _>(0).unwrap_or("NULL").to_owned()).collect()
    }

    /// Every column of every table.
    async fn columns(&mut self) -> Vec<String> {
        self.lines(
            "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME, ' ', DATA_TYPE, ' ',
               CHARACTER_MAXIMUM_LENGTH) FROM INFORMATION_SCHEMA.COLUMNS
             ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION",
        )
        .await
    }

    /// The rows of `crm_account`, as far as they were there at first.
    async fn rows(&mut self) -> Vec<String> {
        self.lines(
            "SELECT CONCAT(Id, '|', CONVERT(nvarchar(30), SinkCreatedOn, 126), '|', accountid, '|',
               name, '|', statecode, '|', CAST(revenue AS nvarchar(50)), '|', oldfax, '|', versionnumber)
             FROM dbo.crm_account ORDER BY name",
        )
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_old_service_are_taken_over_with_every_row() {
    let mut scene = Scene::new(&[]).await;
    let (columns, rows) = (scene.columns().await, scene.rows().await);
    assert_eq!(rows.len(), 2);
    let look = scene.run(&["adopt"]);
    assert_eq!((look.code, look.err.as_str()), (Some(0), ""), "{}", look.out);
    for line in [
        "\n[dbo].[crm_account] (entity account): 2 rows\n",
        "  fits     11 columns\n",
        "  add      accountnumber nvarchar(20), ",
        "  widen    name from nvarchar(100) to nvarchar(160)\n",
        "  leave    oldfax: no attribute has them\n",
        "\n[dbo].[crm_contact] (entity contact): is not there, and would be made\n",
        "nothing was changed; next: keepstep adopt --apply\n",
    ] {
        assert!(look.out.contains(line), "{line} is not in\n{}", look.out);
    }
    assert_eq!((scene.columns().await, scene.rows().await), (columns, rows.clone()));

    let done = scene.run(&["adopt", "--apply"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert!(done.out.contains("\n  adopted  1 table, every row kept\n"), "{}", done.out);
    assert!(done.out.contains("1 wider column\n"), "{}", done.out);
    assert_eq!(scene.rows().await, rows);
    let after = scene.columns().await;
    for column in ["crm_account.name nvarchar 160", "crm_account.oldfax nvarchar 50"] {
        assert!(after.contains(&format!("dbo.{column}")), "{column} is not in {after:?}");
    }
    let check = scene.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}{}", check.out, check.err);
    let again = scene.run(&["adopt"]);
    let bound =
        "[dbo].[crm_account] (entity account): 2 rows, bound to profile crm, entity account\n";
    assert!(again.code == Some(0) && again.out.contains(bound), "{}", again.out);
    assert_eq!(scene.columns().await, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_way_stands_back_alone() {
    let mut scene = Scene::new(&[IN_THE_WAY]).await;
    let (columns, rows) = (scene.columns().await, scene.rows().await);
    let look = scene.run(&["adopt"]);
    assert_eq!((look.code, look.err.as_str()), (Some(1), ""), "{}", look.out);
    assert!(look.out.contains("[crm_contact]") && look.out.contains("column_type"), "{}", look.out);
    assert_eq!((scene.columns().await, scene.rows().await), (columns, rows.clone()));
    let done = scene.run(&["adopt", "--apply"]);
    assert_eq!(done.code, Some(1), "{}", done.out);
    assert!(done.out.contains("\n1 table stands back; the others are ready\n"), "{}", done.out);
    assert_eq!(scene.rows().await, rows);
    let bound =
        scene.lines("SELECT CAST(entity AS nvarchar(128)) FROM keepstep.object_registry").await;
    assert_eq!(bound, ["account"]);
}
