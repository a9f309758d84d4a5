//! Tells the encodings apart: by the `content-type` header first, by the leading bytes second.
//!
//! Says only what the bytes are and where they begin; reads nothing of them.

use std::collections::HashMap;

use bytes::Bytes;
use compact_str::CompactString;
use uuid::Uuid;

use super::contract::{Contract, Fingerprint, SINGLE_OBJECT, SINGLE_OBJECT_BYTES, SchemaId};
use super::error::{DecodeCode, DecodeError, Name};

/// The header that names the encoding.
pub const CONTENT_TYPE: &str = "content-type";
/// First byte of Confluent's framing; a 4-byte big-endian schema id follows.
const CONFLUENT_MAGIC: u8 = 0x00;
/// First bytes of an Avro container file.
const AVRO_FILE_MAGIC: &[u8] = b"Obj\x01";
/// Byte order mark of UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a payload is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// Bare Avro under one of our schemas, behind so many bytes of framing.
    Avro(Contract, &'a [u8], usize),
    /// JSON, ours or Dataverse's.
    Json(&'a [u8]),
}

/// What the payload is, or why it is not known.
pub(super) fn frame<'a>(
    headers: &[(CompactString, Bytes)],
    payload: &'a [u8],
    schemas: &HashMap<SchemaId, Contract>,
) -> Result<Frame<'a>, DecodeError> {
    match content_type(headers) {
        Some(content_type) => match by_content_type(content_type, payload, schemas) {
            Some(frame) => frame,
            None => by_leading_bytes(payload, schemas),
        },
        None => by_leading_bytes(payload, schemas),
    }
}

fn content_type(headers: &[(CompactString, Bytes)]) -> Option<&str> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE))?;
    header_text(value)
}

/// Text of a header's value. Event Hubs hands on the properties of AMQP senders as AMQP 1.0
/// encodes them (types string `a1`, `b1` and symbol `a3`, `b3`, with a length of one or four
/// bytes); everybody else writes plain text.
fn header_text(value: &[u8]) -> Option<&str> {
    let inner = match value {
        [0xa1 | 0xa3, length, inner @ ..] if usize::from(*length) == inner.len() => inner,
        [0xb1 | 0xb3, a, b, c, d, inner @ ..]
            if u32::try_from(inner.len()) == Ok(u32::from_be_bytes([*a, *b, *c, *d])) =>
        {
            inner
        }
        plain => plain,
    };
    std::str::from_utf8(inner).ok()
}

/// `None` if the content type says nothing that decides.
fn by_content_type<'a>(
    content_type: &str,
    payload: &'a [u8],
    schemas: &HashMap<SchemaId, Contract>,
) -> Option<Result<Frame<'a>, DecodeError>> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if let Some(id) = essence.strip_prefix("avro/binary+") {
        return Some(azure(id, payload, schemas));
    }
    match essence.as_str() {
        "application/json" | "text/json" => Some(Ok(Frame::Json(payload))),
        "application/xml" | "text/xml" | "application/msbin1" => {
            Some(Err(unsupported(format_args!(
                "content type {}: set the service endpoint's format to JSON",
                Name(&essence)
            ))))
        }
        _ => None,
    }
}

fn azure<'a>(
    id: &str,
    payload: &'a [u8],
    schemas: &HashMap<SchemaId, Contract>,
) -> Result<Frame<'a>, DecodeError> {
    let id = match Uuid::try_parse(id) {
        Ok(uuid) if id.len() == 32 => SchemaId::Azure(uuid),
        _ => {
            return Err(DecodeError::new(
                DecodeCode::UnknownSchema,
                format_args!("content type avro/binary+{}: not 32 hexadecimal digits", Name(id)),
            ));
        }
    };
    registered(id, payload, 0, schemas)
}

fn registered<'a>(
    id: SchemaId,
    payload: &'a [u8],
    base: usize,
    schemas: &HashMap<SchemaId, Contract>,
) -> Result<Frame<'a>, DecodeError> {
    match (schemas.get(&id), payload.get(base..)) {
        (Some(contract), Some(bare)) => Ok(Frame::Avro(*contract, bare, base)),
        _ => Err(DecodeError::new(
            DecodeCode::UnknownSchema,
            format_args!("registry schema id {id} is not listed in the settings: add it there"),
        )),
    }
}

fn by_leading_bytes<'a>(
    payload: &'a [u8],
    schemas: &HashMap<SchemaId, Contract>,
) -> Result<Frame<'a>, DecodeError> {
    if payload.starts_with(&SINGLE_OBJECT) {
        return single_object(payload);
    }
    if let [CONFLUENT_MAGIC, rest @ ..] = payload {
        let Some((id, _)) = rest.split_first_chunk::<4>() else {
            return Err(DecodeError::new(
                DecodeCode::Truncated,
                format_args!("framing of a schema registry, at byte {}", payload.len()),
            ));
        };
        return registered(SchemaId::Confluent(u32::from_be_bytes(*id)), payload, 5, schemas);
    }
    if payload.starts_with(AVRO_FILE_MAGIC) {
        return Err(unsupported(format_args!(
            "an Avro container file: a notification holds bare Avro in single-object framing"
        )));
    }
    let text = payload.strip_prefix(BYTE_ORDER_MARK).unwrap_or(payload);
    match text.trim_ascii_start().first() {
        Some(b'{') => Ok(Frame::Json(payload)),
        Some(b'<') => {
            Err(unsupported(format_args!("XML: set the service endpoint's format to JSON")))
        }
        Some(_) => Err(DecodeError::new(
            DecodeCode::UnknownFormat,
            format_args!("the leading bytes are those of no known encoding"),
        )),
        None => {
            Err(DecodeError::new(DecodeCode::UnknownFormat, format_args!("the payload is empty")))
        }
    }
}

fn single_object(payload: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let Some(fingerprint) = payload.get(2..).and_then(<[u8]>::first_chunk::<8>) else {
        return Err(DecodeError::new(
            DecodeCode::Truncated,
            format_args!("single-object framing, at byte {}", payload.len()),
        ));
    };
    match Contract::of(*fingerprint) {
        Some(contract) => {
            Ok(Frame::Avro(contract, &payload[SINGLE_OBJECT_BYTES..], SINGLE_OBJECT_BYTES))
        }
        None => Err(DecodeError::new(
            DecodeCode::UnknownSchema,
            format_args!(
                "fingerprint {} is no schema that this version reads: a newer version may",
                Fingerprint(*fingerprint)
            ),
        )),
    }
}

fn unsupported(detail: std::fmt::Arguments<'_>) -> DecodeError {
    DecodeError::new(DecodeCode::UnsupportedFormat, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AZURE_ID: &str = "0f8fad5bd9cb469fa16570867728950e";

    fn schemas() -> HashMap<SchemaId, Contract> {
        HashMap::from([
            (SchemaId::Confluent(7), Contract::ChangeNotification),
            (SchemaId::Azure(AZURE_ID.parse().unwrap()), Contract::SnapshotMarker),
        ])
    }

    fn by_header<'a>(value: &[u8], payload: &'a [u8]) -> Result<Frame<'a>, DecodeCode> {
        let headers = [
            (CompactString::new("traceparent"), Bytes::from_static(b"\xff")),
            (CompactString::new("Content-Type"), Bytes::copy_from_slice(value)),
        ];
        frame(&headers, payload, &schemas()).map_err(|error| error.code)
    }

    fn by_bytes(payload: &[u8]) -> Result<Frame<'_>, DecodeCode> {
        frame(&[], payload, &schemas()).map_err(|error| error.code)
    }

    #[test]
    fn leading_bytes_decide() {
        let mut single = SINGLE_OBJECT.to_vec();
        single.extend(Contract::SnapshotMarker.fingerprint());
        single.push(9);
        assert_eq!(by_bytes(&single), Ok(Frame::Avro(Contract::SnapshotMarker, &[9], 10)));
        assert_eq!(
            by_bytes(&[0, 0, 0, 0, 7, 9]),
            Ok(Frame::Avro(Contract::ChangeNotification, &[9], 5))
        );
        assert_eq!(by_bytes(b" {}"), Ok(Frame::Json(b" {}")));
        assert_eq!(by_bytes(b"\xef\xbb\xbf{}"), Ok(Frame::Json(b"\xef\xbb\xbf{}")));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        assert_eq!(by_bytes(b""), Err(DecodeCode::UnknownFormat));
        assert_eq!(by_bytes(b"[]"), Err(DecodeCode::UnknownFormat));
        assert_eq!(by_bytes(&SINGLE_OBJECT), Err(DecodeCode::Truncated));
        assert_eq!(by_bytes(&[0xc3, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Err(DecodeCode::UnknownSchema));
        assert_eq!(by_bytes(&[0, 0, 0]), Err(DecodeCode::Truncated));
        assert_eq!(by_bytes(&[0, 0, 0, 0, 8]), Err(DecodeCode::UnknownSchema));
        assert_eq!(by_bytes(b"Obj\x01"), Err(DecodeCode::UnsupportedFormat));
        assert_eq!(by_bytes(b"<RemoteExecutionContext/>"), Err(DecodeCode::UnsupportedFormat));
        let error = frame(&[], &[0, 0, 0, 0, 8], &schemas()).unwrap_err();
        assert!(error.detail.contains("id 8"), "{error}");
    }

    #[test]
    fn a_content_type_comes_before_the_bytes() {
        let azure = format!("avro/binary+{AZURE_ID}");
        let expected = Ok(Frame::Avro(Contract::SnapshotMarker, b"{}".as_slice(), 0));
        assert_eq!(by_header(azure.as_bytes(), b"{}"), expected);
        assert_eq!(by_header(b"application/json; charset=utf-8", &[0]), Ok(Frame::Json(&[0])));
        assert_eq!(by_header(b"application/octet-stream", b"{}"), Ok(Frame::Json(b"{}")));
        assert_eq!(by_header(b"application/msbin1", b"{}"), Err(DecodeCode::UnsupportedFormat));
        assert_eq!(by_header(b"avro/binary+12", b"{}"), Err(DecodeCode::UnknownSchema));
        assert_eq!(by_header(b"\xff\xfe", b"{}"), Ok(Frame::Json(b"{}")));
    }

    #[test]
    fn header_values_may_be_in_the_encoding_of_amqp() {
        for prefix in [&b"\xa1\x10"[..], b"\xa3\x10", b"\xb1\0\0\0\x10", b"\xb3\0\0\0\x10"] {
            let value = [prefix, b"application/json"].concat();
            assert_eq!(by_header(&value, &[0]), Ok(Frame::Json(&[0])), "{prefix:x?}");
        }
        // A length that does not fit is no such encoding, and no text either.
        assert_eq!(by_header(b"\xa1\x0fapplication/json", b"{}"), Ok(Frame::Json(b"{}")));
        assert_eq!(by_header(b"\xa1", b"{}"), Ok(Frame::Json(b"{}")));
    }
}
