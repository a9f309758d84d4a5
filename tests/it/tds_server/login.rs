//! What clients send: PRELOGIN (MS-TDS 2.2.6.5), LOGIN7 (2.2.6.4), batches and calls.

/// Who signs in, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: String,
    pub application: String,
    pub database: String,
    /// The access token.
    pub token: Option<String>,
}

/// What a server says of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// It wants it.
    On = 1,
    /// It cannot.
    NotSupported = 2,
}

/// The answer to a PRELOGIN: version and encryption.
pub fn prelogin(encryption: Encryption) -> Vec<u8> {
    const VERSION: [u8; 6] = [14, 0, 0, 0, 0, 0];
    let mut bytes = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF];
    bytes.extend(VERSION);
    bytes.push(encryption as u8);
    bytes
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn long_number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> =
        bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).unwrap()
}

/// A batch's text, after its headers.
pub fn batch(bytes: &[u8]) -> String {
    text(&bytes[long_number(bytes, 0)..])
}

/// The text that a call of `sp_executesql` runs: its first parameter (MS-TDS 2.2.6.6).
pub fn call(bytes: &[u8]) -> String {
    const EXECUTE_SQL: u16 = 10;
    const LONG: usize = 0xFFFF;
    let at = long_number(bytes, 0);
    assert_eq!((number(bytes, at), number(bytes, at + 2)), (0xFFFF, EXECUTE_SQL.into()));
    // Flags; the parameter's name and state; its type, most bytes and collation.
    let at = at + 6;
    let at = at + 1 + 2 * usize::from(bytes[at]) + 1 + 1;
    let (most, at) = (number(bytes, at), at + 7);
    let (length, at) = match most {
        // In chunks, of which there is one.
        LONG => (long_number(bytes, at + 8), at + 12),
        _ => (number(bytes, at), at + 2),
    };
    text(&bytes[at..at + length])
}

pub fn read(bytes: &[u8]) -> Login {
    const USER: usize = 40;
    const PASSWORD: usize = 44;
    const APPLICATION: usize = 48;
    const EXTENSION: usize = 56;
    const DATABASE: usize = 68;
    const EXTENSION_USED: u8 = 0x10;
    let field = |at: usize| {
        let start = number(bytes, at);
        bytes[start..start + 2 * number(bytes, at + 2)].to_vec()
    };
    let password: Vec<u8> =
        field(PASSWORD).iter().map(|byte| (byte ^ 0xA5).rotate_left(4)).collect();
    let token = (bytes[27] & EXTENSION_USED != 0).then(|| {
        let feature = long_number(bytes, number(bytes, EXTENSION));
        assert_eq!(bytes[feature], 2, "the feature is FEDAUTH");
        // Id, length, options; then the token with its own length.
        let length = long_number(bytes, feature + 6);
        text(&bytes[feature + 10..feature + 10 + length])
    });
    Login {
        user: text(&field(USER)),
        password: text(&password),
        application: text(&field(APPLICATION)),
        database: text(&field(DATABASE)),
        token,
    }
}
