//! The work of a case: what lies on the log, and the same in the bare program's batches.

use std::collections::BTreeMap;

use keepstep::codec::{DataverseOrigin, encode_change, encode_dataverse};
use keepstep::log::{NewRecord, partition_of};
use keepstep::model::change::{Change, Image, Operation};
use keepstep::model::entity::EntityDefinition;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

use crate::bare_postgres::{BareTable, CopyBatch};
use crate::bare_sqlite::{self, BareRow};
use crate::rows::{Datum, Layout, change};

pub const PARTITIONS: u32 = 4;
/// Columns that a patch of the mix changes.
pub const PATCHED: [usize; 3] = [3, 4, 6];

/// The parts of one net change in the bare program's batch.
#[derive(Default)]
pub struct Net {
    pub delete: bool,
    /// Whether the row is written whole; else it is what a patch makes of it, if there is one.
    pub image: bool,
    pub version: i64,
    pub row: Vec<Datum>,
}

/// A batch as the bare program of a database sends it.
pub trait BareBatch: Sized {
    /// Changes in a batch, on both sides: keepstep's default for the database.
    const CHANGES: usize;

    /// What so many changes came to.
    fn of(layout: &Layout, net: &BTreeMap<Uuid, Net>, changes: usize) -> Self;
}

/// One lane of the bare program, open batch included.
struct BareLane<B> {
    batches: Vec<B>,
    open: BTreeMap<Uuid, Net>,
    changes: usize,
}

fn origin() -> DataverseOrigin {
    DataverseOrigin {
        organization_id: Uuid::nil(),
        organization_name: "bench".into(),
        user_id: Uuid::nil(),
        business_unit_id: Uuid::nil(),
        post_image_alias: None,
    }
}

/// What a case does, in both forms.
pub struct Work<B> {
    pub layout: Layout,
    /// Records before the clock runs, and how many.
    pub before: Vec<NewRecord>,
    /// Records that are measured.
    pub records: Vec<NewRecord>,
    pub lanes: Vec<Vec<B>>,
    pub lanes_before: Vec<Vec<B>>,
    pub versioned: bool,
}

/// Makes both forms of the same changes.
struct Writer<B> {
    layout: Layout,
    rng: SmallRng,
    version: i64,
    records: Vec<NewRecord>,
    lanes: Vec<BareLane<B>>,
    dataverse: Option<EntityDefinition>,
}

impl<B: BareBatch> Writer<B> {
    fn new(layout: Layout, dataverse: Option<EntityDefinition>) -> Self {
        let lane = |_| BareLane { batches: Vec::new(), open: BTreeMap::new(), changes: 0 };
        let lanes = (0..PARTITIONS).map(lane).collect();
        let rng = SmallRng::seed_from_u64(7);
        Self { layout, rng, version: 0, records: Vec::new(), lanes, dataverse }
    }

    fn id(&mut self) -> Uuid {
        Uuid::from_u128(self.rng.random())
    }

    fn image(&mut self, id: Uuid, operation: Operation) -> Vec<Datum> {
        let row = self.layout.row(id, &mut self.rng);
        let cells: Vec<(usize, Datum)> = row.iter().cloned().enumerate().collect();
        self.send(id, operation, Image::Full, &cells);
        let version = self.version;
        let net = self.net(id);
        *net = Net { delete: net.delete, image: true, version, row: row.clone() };
        self.count(id);
        row
    }

    fn patch(&mut self, id: Uuid) {
        let fresh = self.layout.row(id, &mut self.rng);
        let cells: Vec<(usize, Datum)> =
            PATCHED.iter().map(|at| (*at, fresh[*at].clone())).collect();
        self.send(id, Operation::Update, Image::Patch, &cells);
        let version = self.version;
        let net = self.net(id);
        net.version = version;
        if net.row.is_empty() {
            net.row = fresh;
        } else {
            for (at, datum) in cells {
                net.row[at] = datum;
            }
        }
        self.count(id);
    }

    fn delete(&mut self, id: Uuid) {
        self.send(id, Operation::Delete, Image::Full, &[]);
        let version = self.version;
        *self.net(id) = Net { delete: true, version, ..Net::default() };
        self.count(id);
    }

    fn send(&mut self, id: Uuid, operation: Operation, image: Image, cells: &[(usize, Datum)]) {
        self.version += 1;
        let mut change: Change = change(&self.layout, id, self.version, operation, image, cells);
        let payload = match &self.dataverse {
            Some(definition) => {
                change.version = None;
                let text = encode_dataverse(&change, definition, &origin());
                text.expect("the source can say it").into_bytes()
            }
            None => encode_change(&change),
        };
        let key = change.record_id.canonical().into_bytes();
        self.records.push(NewRecord {
            key: Some(key.into()),
            payload: Some(payload.into()),
            ..NewRecord::default()
        });
    }

    fn lane(&mut self, id: Uuid) -> &mut BareLane<B> {
        let key = id.hyphenated().to_string();
        &mut self.lanes[partition_of(key.as_bytes(), PARTITIONS) as usize]
    }

    fn net(&mut self, id: Uuid) -> &mut Net {
        self.lane(id).open.entry(id).or_default()
    }

    fn count(&mut self, id: Uuid) {
        let lane = self.lane(id);
        lane.changes += 1;
        if lane.changes == B::CHANGES {
            self.close(partition_of(id.hyphenated().to_string().as_bytes(), PARTITIONS) as usize);
        }
    }

    fn close(&mut self, lane: usize) {
        let open = std::mem::take(&mut self.lanes[lane].open);
        let changes = std::mem::take(&mut self.lanes[lane].changes);
        let batch = B::of(&self.layout, &open, changes);
        self.lanes[lane].batches.push(batch);
    }

    /// All that was written since the last call.
    fn finish(&mut self) -> (Vec<NewRecord>, Vec<Vec<B>>) {
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].changes > 0 {
                self.close(lane);
            }
        }
        let lanes = self.lanes.iter_mut().map(|lane| std::mem::take(&mut lane.batches)).collect();
        (std::mem::take(&mut self.records), lanes)
    }

    fn work(mut self, before: (Vec<NewRecord>, Vec<Vec<B>>)) -> Work<B> {
        let (records, lanes) = self.finish();
        Work {
            versioned: self.dataverse.is_none(),
            layout: self.layout,
            before: before.0,
            records,
            lanes,
            lanes_before: before.1,
        }
    }
}

/// `count` new records.
pub fn inserts<B: BareBatch>(
    layout: Layout,
    count: usize,
    dataverse: Option<EntityDefinition>,
) -> Work<B> {
    let mut writer = Writer::new(layout, dataverse);
    for _ in 0..count {
        let id = writer.id();
        writer.image(id, Operation::Create);
    }
    writer.work((Vec::new(), Vec::new()))
}

/// `count` new records, then an image of each again.
pub fn inserts_then_updates<B: BareBatch>(layout: Layout, count: usize) -> Work<B> {
    let mut writer = Writer::new(layout, None);
    let ids: Vec<Uuid> = (0..count).map(|_| writer.id()).collect();
    for id in &ids {
        writer.image(*id, Operation::Create);
    }
    for id in &ids {
        writer.image(*id, Operation::Update);
    }
    writer.work((Vec::new(), Vec::new()))
}

/// On `known` records: 85 % patches (half of them on one record in a hundred), 10 % inserts, 5 %
/// deletes.
pub fn mix<B: BareBatch>(layout: Layout, known: usize, count: usize) -> Work<B> {
    let mut writer = Writer::new(layout, None);
    let mut ids: Vec<Uuid> = (0..known).map(|_| writer.id()).collect();
    for id in ids.clone() {
        writer.image(id, Operation::Create);
    }
    let before = writer.finish();
    for _ in 0..count {
        match writer.rng.random_range(0..100) {
            0..85 => {
                let hot = writer.rng.random_bool(0.5);
                let among = if hot { ids.len() / 100 } else { ids.len() };
                let at = writer.rng.random_range(0..among);
                writer.patch(ids[at]);
            }
            85..95 => {
                let id = writer.id();
                writer.image(id, Operation::Create);
                ids.push(id);
            }
            _ => {
                // Not a hot one: those stay for the whole run.
                let at = writer.rng.random_range(ids.len() / 50..ids.len());
                let id = ids.swap_remove(at);
                writer.delete(id);
            }
        }
    }
    writer.work(before)
}

/// The bare program's table for this layout.
pub fn bare_table(layout: &Layout) -> BareTable {
    let columns = layout.sql_columns();
    let patched = PATCHED.iter().map(|at| layout.columns[*at].0.as_str());
    let patched: Vec<&str> = patched.collect();
    let patched =
        columns.iter().filter(|(name, _)| patched.contains(&name.as_str())).cloned().collect();
    BareTable { columns, patched }
}

/// The same inserts for SQLite.
pub struct SqliteWork {
    pub layout: Layout,
    pub records: Vec<NewRecord>,
    pub batches: Vec<Vec<BareRow>>,
}

/// `count` new records, lane by lane in batches.
pub fn sqlite_inserts(layout: Layout, count: usize) -> SqliteWork {
    let mut writer = Writer::<CopyBatch>::new(layout, None);
    let mut lanes: Vec<Vec<BareRow>> = vec![Vec::new(); PARTITIONS as usize];
    for _ in 0..count {
        let id = writer.id();
        let row = writer.image(id, Operation::Create);
        let lane = partition_of(id.hyphenated().to_string().as_bytes(), PARTITIONS) as usize;
        lanes[lane].push(bare_sqlite::row(id, writer.version, &row));
    }
    let batches = lanes.iter().flat_map(|lane| lane.chunks(CopyBatch::CHANGES).map(<[_]>::to_vec));
    SqliteWork { batches: batches.collect(), records: writer.records, layout: writer.layout }
}
