//! The rows of a case, in the three forms that the bench needs: as changes for the log, as a
//! definition for keepstep, and as binary COPY for the bare program, which shares no code with
//! keepstep's writers.

use keepstep::model::change::{Change, Image, Operation, Version};
use keepstep::model::decimal::Decimal;
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::{Lookup, Ticks, Value};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use uuid::Uuid;

pub const ENTITY: &str = "account";

/// Type of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Boolean,
    Money,
    Time,
    /// Two columns: the id and the entity that it points to.
    Lookup,
    /// The record's own id.
    Own,
}

/// One cell.
#[derive(Clone, PartialEq)]
pub enum Datum {
    Null,
    /// No lookup: both of its columns are null.
    NoLookup,
    Text(String),
    Integer(i32),
    Boolean(bool),
    Cents(i64),
    UnixMs(i64),
    Lookup(Uuid),
    Own(Uuid),
}

/// Columns of a case.
pub struct Layout {
    pub columns: Vec<(String, Kind)>,
    /// Share of the columns that are filled.
    pub filled: f64,
}

impl Layout {
    /// 8 columns, all filled.
    pub fn narrow() -> Self {
        let named = |(name, kind): (&str, Kind)| (name.to_owned(), kind);
        let columns = [
            ("accountid", Kind::Own),
            ("name", Kind::Text),
            ("accountnumber", Kind::Text),
            ("revenue", Kind::Money),
            ("numberofemployees", Kind::Integer),
            ("statecode", Kind::Integer),
            ("modifiedon", Kind::Time),
            ("creditonhold", Kind::Boolean),
        ];
        Self { columns: columns.map(named).into(), filled: 1.0 }
    }

    /// 148 columns (lookups count as two), about 60 filled.
    pub fn wide() -> Self {
        let kinds = [
            Kind::Text,
            Kind::Text,
            Kind::Integer,
            Kind::Money,
            Kind::Text,
            Kind::Time,
            Kind::Boolean,
            Kind::Text,
            Kind::Integer,
        ];
        let mut columns = vec![("accountid".to_owned(), Kind::Own)];
        for number in 0..10 {
            columns.push((format!("lookup{number:02}id"), Kind::Lookup));
        }
        for number in 0..127 {
            columns.push((format!("attribute_{number:03}"), kinds[number % kinds.len()]));
        }
        Self { columns, filled: 0.4 }
    }

    /// The definition, in the flat shape.
    pub fn definition(&self) -> String {
        let attributes: Vec<String> = self
            .columns
            .iter()
            .map(|(name, kind)| {
                let rest = match kind {
                    Kind::Text => r#""String","MaxLength":200"#,
                    Kind::Integer => r#""Integer""#,
                    Kind::Boolean => r#""Boolean""#,
                    Kind::Money => r#""Money","Precision":2"#,
                    Kind::Time => r#""DateTime""#,
                    Kind::Lookup => r#""Lookup","Targets":["contact"]"#,
                    Kind::Own => r#""Uniqueidentifier""#,
                };
                format!(r#"{{"LogicalName":"{name}","AttributeType":{rest}}}"#)
            })
            .collect();
        format!(
            r#"{{"LogicalName":"{ENTITY}","EntitySetName":"accounts","PrimaryIdAttribute":"accountid","Attributes":[{}]}}"#,
            attributes.join(",")
        )
    }

    /// The definition, read.
    pub fn read_definition(&self) -> keepstep::model::entity::EntityDefinition {
        let definitions =
            keepstep::model::entity_json::read_definitions(self.definition().as_bytes());
        definitions.expect("a definition").remove(0)
    }

    /// Database columns with their SQL types.
    pub fn sql_columns(&self) -> Vec<(String, &'static str)> {
        let mut columns = Vec::new();
        for (name, kind) in &self.columns {
            let sql = match kind {
                Kind::Text => "varchar(200)",
                Kind::Integer => "int",
                Kind::Boolean => "boolean",
                Kind::Money => "numeric(38,2)",
                Kind::Time => "timestamp(3)",
                Kind::Lookup | Kind::Own => "uuid",
            };
            columns.push((name.clone(), sql));
            if *kind == Kind::Lookup {
                columns.push((format!("{name}_entitytype"), "varchar(128)"));
            }
        }
        columns
    }

    /// A random row.
    pub fn row(&self, id: Uuid, rng: &mut SmallRng) -> Vec<Datum> {
        self.columns.iter().map(|(_, kind)| self.datum(*kind, id, rng)).collect()
    }

    fn datum(&self, kind: Kind, id: Uuid, rng: &mut SmallRng) -> Datum {
        if kind != Kind::Own && self.filled < 1.0 && !rng.random_bool(self.filled) {
            return if kind == Kind::Lookup { Datum::NoLookup } else { Datum::Null };
        }
        match kind {
            Kind::Own => Datum::Own(id),
            Kind::Text => {
                let length = rng.random_range(6..28);
                let letter = |_| char::from(b'a' + rng.random_range(0..26));
                Datum::Text((0..length).map(letter).collect())
            }
            Kind::Integer => Datum::Integer(rng.random_range(0..100_000)),
            Kind::Boolean => Datum::Boolean(rng.random_bool(0.5)),
            Kind::Money => Datum::Cents(rng.random_range(0..1_000_000_000)),
            Kind::Time => Datum::UnixMs(1_600_000_000_000 + rng.random_range(0..100_000_000_000)),
            Kind::Lookup => Datum::Lookup(Uuid::from_u128(rng.random())),
        }
    }
}

/// A change for the log. `cells` are columns with their data; absent ones follow from `image`.
pub fn change(
    layout: &Layout,
    id: Uuid,
    version: i64,
    operation: Operation,
    image: Image,
    cells: &[(usize, Datum)],
) -> Change {
    let value = |datum: &Datum| match datum {
        Datum::Null | Datum::NoLookup => Value::Null,
        Datum::Text(text) => Value::Text(text.as_str().into()),
        Datum::Integer(number) => Value::Integer(*number),
        Datum::Boolean(flag) => Value::Boolean(*flag),
        Datum::Cents(cents) => {
            Value::Decimal(Decimal::new(i128::from(*cents), 2).expect("few digits"))
        }
        Datum::UnixMs(ms) => Value::Timestamp(Ticks::from_unix_ms(*ms).expect("this century")),
        Datum::Lookup(id) => {
            Value::Lookup(Box::new(Lookup { id: RecordId(*id), entity: "contact".into() }))
        }
        Datum::Own(id) => Value::Guid(RecordId(*id)),
    };
    let said = cells.iter().filter(|(_, datum)| {
        image == Image::Patch || !matches!(datum, Datum::Null | Datum::NoLookup)
    });
    let attributes = said.map(|(at, datum)| (layout.columns[*at].0.as_str().into(), value(datum)));
    Change {
        organization_id: Some(Uuid::nil()),
        entity: EntityName::new(ENTITY),
        record_id: RecordId(id),
        operation,
        image,
        version: Some(Version(version)),
        changed_at: Ticks::from_unix_ms(1_700_000_000_000),
        attributes: attributes.collect(),
        correlation_id: None,
        payload_reference: None,
    }
}

/// One row in PostgreSQL's binary COPY format: id, version, then `columns` of `row`.
pub fn copy_row(id: Uuid, version: i64, row: &[Datum], columns: &[usize], out: &mut Vec<u8>) {
    let pair = |at: &&usize| matches!(row[**at], Datum::Lookup(_) | Datum::NoLookup);
    let count = 2 + columns.len() + columns.iter().filter(pair).count();
    out.extend(i16::try_from(count).expect("few columns").to_be_bytes());
    field(out, id.as_bytes());
    field(out, &version.to_be_bytes());
    for at in columns {
        match &row[*at] {
            Datum::Null => null(out),
            Datum::NoLookup => {
                null(out);
                null(out);
            }
            Datum::Text(text) => field(out, text.as_bytes()),
            Datum::Integer(number) => field(out, &number.to_be_bytes()),
            Datum::Boolean(flag) => field(out, &[u8::from(*flag)]),
            Datum::Cents(cents) => field(out, &numeric(*cents)),
            Datum::UnixMs(ms) => field(out, &((ms - 946_684_800_000) * 1_000).to_be_bytes()),
            Datum::Own(id) => field(out, id.as_bytes()),
            Datum::Lookup(id) => {
                field(out, id.as_bytes());
                field(out, b"contact");
            }
        }
    }
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(i32::try_from(bytes.len()).expect("short").to_be_bytes());
    out.extend(bytes);
}

fn null(out: &mut Vec<u8>) {
    out.extend((-1_i32).to_be_bytes());
}

/// `cents / 100` as PostgreSQL's numeric: groups of four decimal digits.
fn numeric(cents: i64) -> Vec<u8> {
    let mut groups = vec![i16::try_from(cents % 100 * 100).expect("two digits")];
    let mut whole = cents / 100;
    while whole > 0 {
        groups.insert(0, i16::try_from(whole % 10_000).expect("four digits"));
        whole /= 10_000;
    }
    let weight = i16::try_from(groups.len()).expect("few groups") - 2;
    let mut bytes = Vec::new();
    for number in [i16::try_from(groups.len()).expect("few groups"), weight, 0, 2] {
        bytes.extend(number.to_be_bytes());
    }
    groups.iter().for_each(|group| bytes.extend(group.to_be_bytes()));
    bytes
}
