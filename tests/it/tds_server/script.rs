//! Scripts: what the server does at which request.

use super::login::Login;
use super::tokens;

/// A request of a client.
#[derive(Clone, Debug)]
pub enum Asked {
    Prelogin,
    Login(Login),
    /// A text to run, alone or with parameters.
    Batch(String),
    /// The first packet of a bulk load came; the rest may be on its way.
    BulkBegins,
    /// A bulk load came to its end.
    Bulk {
        bytes: usize,
    },
    Attention,
}

/// At which request.
#[derive(Clone, Copy, Debug)]
pub enum On {
    Prelogin,
    Login,
    /// A batch whose text holds this.
    Batch(&'static str),
    BulkBegins,
    Bulk,
}

impl On {
    pub fn meets(self, asked: &Asked) -> bool {
        match (self, asked) {
            (Self::Prelogin, Asked::Prelogin)
            | (Self::Login, Asked::Login(_))
            | (Self::BulkBegins, Asked::BulkBegins)
            | (Self::Bulk, Asked::Bulk { .. }) => true,
            (Self::Batch(part), Asked::Batch(text)) => text.contains(part),
            _ => false,
        }
    }
}

/// What the server does.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Answers these tokens.
    Tokens(Vec<u8>),
    /// Says nothing more, and keeps the connection.
    Stall,
    /// Ends the connection without an answer.
    Cut,
    /// Does what was asked, and ends the connection after so many bytes of its answer.
    CutAfter(usize),
    /// Sends bytes that are no packets, and ends the connection.
    Garbage(Vec<u8>),
}

impl Reaction {
    /// An error, with a message that quotes what must not get out.
    pub fn error(number: u32, class: u8) -> Self {
        Self::Tokens(tokens::error(number, class, super::server::QUOTED))
    }

    /// Sends the client elsewhere.
    pub fn redirect(host: &str, port: u16) -> Self {
        Self::Tokens(tokens::redirect(host, port))
    }
}
