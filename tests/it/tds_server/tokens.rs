//! Tokens of answers (MS-TDS 2.2.7).

/// A type of a column, as far as it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers of so many bytes.
    Int(u8),
    Bit,
    Guid,
    /// nvarchar of so many bytes; `None` is (max).
    Text(Option<u16>),
    /// varbinary of so many bytes; `None` is (max).
    Bytes(Option<u16>),
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// datetime2 of this scale.
    Time(u8),
    Float,
}

/// A value of a row.
#[derive(Clone, Debug)]
pub enum Value {
    Int(i32),
    Text(String),
}

fn short_text(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut bytes = vec![u8::try_from(units.len()).unwrap()];
    bytes.extend(units.into_iter().flat_map(u16::to_le_bytes));
    bytes
}

fn long_text(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut bytes = u16::try_from(units.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(units.into_iter().flat_map(u16::to_le_bytes));
    bytes
}

fn with_length(token: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![token];
    bytes.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
    bytes.extend(body);
    bytes
}

/// DONE (2.2.7.6).
pub fn done(rows: u64) -> Vec<u8> {
    const COUNT: u16 = 0x10;
    ended(COUNT, rows)
}

fn ended(status: u16, rows: u64) -> Vec<u8> {
    let mut bytes = vec![0xFD];
    bytes.extend(status.to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(rows.to_le_bytes());
    bytes
}

/// ERROR (2.2.7.10) and the DONE after it.
pub fn error(number: u32, class: u8, message: &str) -> Vec<u8> {
    const FAILED: u16 = 2;
    let mut body = number.to_le_bytes().to_vec();
    body.extend([1, class]);
    body.extend(long_text(message));
    body.extend(short_text("server"));
    body.extend(short_text(""));
    body.extend(1_u32.to_le_bytes());
    let mut bytes = with_length(0xAA, &body);
    bytes.extend(ended(FAILED, 0));
    bytes
}

/// INFO (2.2.7.13).
pub fn info(number: u32, message: &str) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.extend([1, 0]);
    body.extend(long_text(message));
    body.extend(short_text("server"));
    body.extend(short_text(""));
    body.extend(1_u32.to_le_bytes());
    with_length(0xAB, &body)
}

/// LOGINACK (2.2.7.14), with the size of packets.
pub fn signed_in() -> Vec<u8> {
    let mut body = vec![1, 0x74, 0, 0, 4];
    body.extend(short_text("scripted"));
    body.extend([14, 0, 0, 0]);
    let mut bytes = with_length(0xAD, &body);
    let mut size = vec![4];
    size.extend(short_text("4096"));
    size.extend(short_text("4096"));
    bytes.extend(with_length(0xE3, &size));
    bytes
}

/// ENVCHANGE that sends the client elsewhere (2.2.7.9, type 20), after a successful login.
pub fn redirect(host: &str, port: u16) -> Vec<u8> {
    let mut place = vec![0];
    place.extend(port.to_le_bytes());
    place.extend(long_text(host));
    let mut body = vec![20];
    body.extend(u16::try_from(place.len()).unwrap().to_le_bytes());
    body.extend(place);
    body.extend([0, 0]);
    let mut bytes = signed_in();
    bytes.extend(with_length(0xE3, &body));
    bytes.extend(done(0));
    bytes
}

/// COLMETADATA (2.2.7.4).
pub fn columns(columns: &[(String, Kind)]) -> Vec<u8> {
    const NULLABLE_AND_WRITABLE: u16 = 0x05;
    const COLLATION: [u8; 5] = [0x09, 0x04, 0xD0, 0, 0x34];
    let mut bytes = vec![0x81];
    bytes.extend(u16::try_from(columns.len()).unwrap().to_le_bytes());
    for (name, kind) in columns {
        bytes.extend([0; 4]);
        bytes.extend(NULLABLE_AND_WRITABLE.to_le_bytes());
        match kind {
            Kind::Int(size) => bytes.extend([0x26, *size]),
            Kind::Bit => bytes.extend([0x68, 1]),
            Kind::Guid => bytes.extend([0x24, 16]),
            Kind::Text(most) => {
                bytes.push(0xE7);
                bytes.extend(most.unwrap_or(u16::MAX).to_le_bytes());
                bytes.extend(COLLATION);
            }
            Kind::Bytes(most) => {
                bytes.push(0xA5);
                bytes.extend(most.unwrap_or(u16::MAX).to_le_bytes());
            }
            Kind::Decimal { precision, scale } => bytes.extend([0x6A, 17, *precision, *scale]),
            Kind::Time(scale) => bytes.extend([0x2A, *scale]),
            Kind::Float => bytes.extend([0x6D, 8]),
        }
        bytes.extend(short_text(name));
    }
    bytes
}

/// ROW (2.2.7.19) of int and nvarchar columns.
pub fn row(kinds: &[(String, Kind)], values: &[Value]) -> Vec<u8> {
    let mut bytes = vec![0xD1];
    for ((_, kind), value) in kinds.iter().zip(values) {
        match (kind, value) {
            (Kind::Int(4), Value::Int(number)) => {
                bytes.push(4);
                bytes.extend(number.to_le_bytes());
            }
            (Kind::Text(Some(_)), Value::Text(text)) => {
                let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                bytes.extend(u16::try_from(units.len()).unwrap().to_le_bytes());
                bytes.extend(units);
            }
            _ => panic!("no such value in a script: {kind:?} {value:?}"),
        }
    }
    bytes
}

/// A result set of one row.
pub fn one_row(fields: &[(&str, Value)]) -> Vec<u8> {
    let kind = |value: &Value| match value {
        Value::Text(_) => Kind::Text(Some(8000)),
        Value::Int(_) => Kind::Int(4),
    };
    let kinds: Vec<_> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), kind(value))).collect();
    let values: Vec<_> = fields.iter().map(|(_, value)| value.clone()).collect();
    let mut bytes = columns(&kinds);
    bytes.extend(row(&kinds, &values));
    bytes.extend(done(1));
    bytes
}
