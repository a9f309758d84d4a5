//! Packets: messages are cut into them, each with a header of eight bytes (MS-TDS 2.2.3.1).

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A line to a client.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

pub const HEADER_BYTES: usize = 8;
/// Bytes of a packet, as it is negotiated.
pub const PACKET_BYTES: usize = 4096;
/// The status bit of the last packet of a message.
const LAST: u8 = 1;

pub const BATCH: u8 = 1;
pub const CALL: u8 = 3;
pub const ANSWER: u8 = 4;
pub const ATTENTION: u8 = 6;
pub const BULK: u8 = 7;
pub const LOGIN: u8 = 16;
pub const PRELOGIN: u8 = 18;

/// A packet.
pub struct Packet {
    pub kind: u8,
    pub last: bool,
    pub payload: Vec<u8>,
}

/// The next packet; `None` when the client has gone.
pub async fn read(line: &mut (impl AsyncRead + Unpin + ?Sized)) -> Option<Packet> {
    let mut header = [0; HEADER_BYTES];
    line.read_exact(&mut header).await.ok()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let mut payload = vec![0; length.checked_sub(HEADER_BYTES)?];
    line.read_exact(&mut payload).await.ok()?;
    Some(Packet { kind: header[0], last: header[1] & LAST != 0, payload })
}

/// A message as it goes over the line.
pub fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunks = payload.chunks(PACKET_BYTES - HEADER_BYTES).peekable();
    let mut number: u8 = 1;
    while let Some(chunk) = chunks.next() {
        let status = if chunks.peek().is_none() { LAST } else { 0 };
        let length = u16::try_from(chunk.len() + HEADER_BYTES).unwrap();
        bytes.extend([kind, status]);
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, number, 0]);
        bytes.extend(chunk);
        number = number.wrapping_add(1);
    }
    bytes
}

/// Sends bytes as they are; `None` when the client has gone.
pub async fn send(line: &mut (impl AsyncWrite + Unpin + ?Sized), bytes: &[u8]) -> Option<()> {
    line.write_all(bytes).await.ok()?;
    line.flush().await.ok()
}
