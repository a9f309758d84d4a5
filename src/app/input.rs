//! Notifications from a file or standard input: JSON lines, or an Avro container file.
//!
//! Reads in a thread of its own, so that a terminal or a pipe that waits stops nobody, and at most
//! [`WAITING_PACKS`] packs ahead. A line has at most as many bytes as a notification may have.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use apache_avro::Reader;
use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::codec::Contract;
use crate::codec::contract::SINGLE_OBJECT;

/// Packs that are read ahead.
const WAITING_PACKS: usize = 2;
/// Most notifications of a pack.
const PACK_NOTIFICATIONS: usize = 1_000;
/// A pack is closed when it has this many bytes.
const PACK_BYTES: usize = 1024 * 1024;
/// First bytes of an Avro container file.
const AVRO_FILE: [u8; 4] = *b"Obj\x01";

/// One notification and where it stands: its line, or its number in an Avro file, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line or number.
    pub number: u64,
    /// The notification's payload.
    pub payload: Bytes,
}

/// What is wrong with the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("{name} cannot be read: {kind}")]
    Unreadable {
        /// The file, or standard input.
        name: String,
        /// Why, by the system's word.
        kind: io::ErrorKind,
    },
    /// A line is longer than a notification may be.
    #[error("line {number} is longer than {limit} bytes, the limit of a notification")]
    LongLine {
        /// The line.
        number: u64,
        /// The limit.
        limit: usize,
    },
    /// The Avro file was not written by a released schema of ours.
    #[error("the Avro file is not written by a schema of schemas/: {0}")]
    ForeignSchema(String),
    /// The Avro file is broken from here on.
    #[error("record {number} of the Avro file cannot be read")]
    BrokenAvro {
        /// The record.
        number: u64,
    },
}

/// Where the input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Standard,
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Standard => "standard input".to_owned(),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read>> {
        match self {
            Self::File(path) => Ok(Box::new(File::open(path)?)),
            Self::Standard => Ok(Box::new(io::stdin())),
        }
    }
}

/// Packs of notifications, in order; the last one may be an error.
pub type Packs = mpsc::Receiver<Result<Vec<Entry>, InputError>>;

/// Begins to read.
///
/// # Errors
/// If the system gives no thread.
pub fn read(source: Source, longest_bytes: usize) -> io::Result<Packs> {
    let (sender, packs) = mpsc::channel(WAITING_PACKS);
    let thread = std::thread::Builder::new().name("input".to_owned());
    // Nobody waits for the thread: it may hang on a terminal for ever, and owns nothing but input.
    thread.spawn(move || {
        let mut pack = Pack { entries: Vec::new(), bytes: 0, sender };
        if let Err(error) = read_into(&source, longest_bytes, &mut pack) {
            pack.fail(error);
        } else {
            pack.send();
        }
    })?;
    Ok(packs)
}

/// The pack that is being filled. Whoever wanted it may have gone; then it is of no use.
struct Pack {
    entries: Vec<Entry>,
    bytes: usize,
    sender: mpsc::Sender<Result<Vec<Entry>, InputError>>,
}

impl Pack {
    /// Adds an entry; says whether somebody still wants more.
    fn add(&mut self, entry: Entry) -> bool {
        self.bytes += entry.payload.len();
        self.entries.push(entry);
        if self.entries.len() >= PACK_NOTIFICATIONS || self.bytes >= PACK_BYTES {
            return self.send();
        }
        true
    }

    fn send(&mut self) -> bool {
        self.bytes = 0;
        let entries = std::mem::take(&mut self.entries);
        entries.is_empty() || self.sender.blocking_send(Ok(entries)).is_ok()
    }

    /// What came before the error is still wanted.
    fn fail(&mut self, error: InputError) {
        if self.send() {
            // Nobody to tell: then nobody wants to know.
            let _unheard = self.sender.blocking_send(Err(error));
        }
    }
}

fn read_into(source: &Source, longest_bytes: usize, pack: &mut Pack) -> Result<(), InputError> {
    let unreadable =
        |error: io::Error| InputError::Unreadable { name: source.name(), kind: error.kind() };
    let mut reader = BufReader::new(source.open().map_err(unreadable)?);
    let mut first = Vec::with_capacity(AVRO_FILE.len());
    reader.by_ref().take(4).read_to_end(&mut first).map_err(unreadable)?;
    let is_avro = first == AVRO_FILE;
    let whole = io::Cursor::new(first).chain(reader);
    if is_avro {
        return read_avro(whole, pack);
    }
    read_lines(whole, longest_bytes, pack, unreadable)
}

fn read_lines(
    mut reader: impl BufRead,
    longest_bytes: usize,
    pack: &mut Pack,
    unreadable: impl Fn(io::Error) -> InputError,
) -> Result<(), InputError> {
    let limit = u64::try_from(longest_bytes).unwrap_or(u64::MAX);
    let mut number = 0;
    loop {
        number += 1;
        let mut line = Vec::new();
        // One more than allowed, and the line's end.
        let mut bounded = reader.by_ref().take(limit.saturating_add(2));
        let length = bounded.read_until(b'\n', &mut line).map_err(&unreadable)?;
        if length == 0 {
            return Ok(());
        }
        let text = line.trim_ascii();
        if text.len() > longest_bytes {
            return Err(InputError::LongLine { number, limit: longest_bytes });
        }
        // Empty lines separate; they say nothing.
        if !text.is_empty() {
            let payload = Bytes::copy_from_slice(text);
            if !pack.add(Entry { number, payload }) {
                return Ok(());
            }
        }
    }
}

fn read_avro(reader: impl Read, pack: &mut Pack) -> Result<(), InputError> {
    let foreign = || InputError::ForeignSchema("its header cannot be read".to_owned());
    let records = Reader::new(reader).map_err(|_| foreign())?;
    let schema = records.writer_schema().clone();
    let contract = Contract::recognise(&schema.canonical_form())
        .map_err(|error| InputError::ForeignSchema(error.to_string()))?;
    let writer = GenericDatumWriter::builder(&schema).build().map_err(|_| foreign())?;
    for (value, number) in records.zip(1..) {
        let broken = |_| InputError::BrokenAvro { number };
        let datum = writer.write_value_to_vec(value.map_err(broken)?).map_err(broken)?;
        let mut payload = Vec::with_capacity(SINGLE_OBJECT.len() + 8 + datum.len());
        payload.extend_from_slice(&SINGLE_OBJECT);
        payload.extend_from_slice(&contract.fingerprint());
        payload.extend_from_slice(&datum);
        if !pack.add(Entry { number, payload: Bytes::from(payload) }) {
            return Ok(());
        }
    }
    Ok(())
}
