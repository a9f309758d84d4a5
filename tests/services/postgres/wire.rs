//! A wire between the adapter and the server that can be held up and cut, message by message.
//!
//! It knows the protocol's framing and counts what asks for an answer, so that it can cut exactly
//! the answer to the statements that hold the commit. Plain lines only.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What happens to the first burst, which is the text that moves the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// Nothing.
    None,
    /// It is held up before any of it reaches the server.
    HoldBurst,
    /// All of it but its last byte reaches the server, and then nothing more.
    HoldLastByte,
    /// The server does it, and the answer is lost with the connection.
    LoseAnswer,
    /// The connection is cut before it, with the rows of the COPY sent.
    CutBefore,
}

/// How far the mischief has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No burst was seen yet.
    Waiting,
    /// A burst is held up.
    Held,
    /// It goes on, or went by.
    Released,
}

/// A wire. Its connections end with it.
pub struct Wire {
    pub port: u16,
    state: Arc<watch::Sender<State>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    _pumps: JoinSet<()>,
}

/// A message of the client: its type, and the beginning of a statement's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: char,
    pub text: String,
}

struct Line {
    mischief: Mischief,
    state: Arc<watch::Sender<State>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Number of messages that ask for an answer of their own, so far.
    asked: watch::Sender<u64>,
    /// Number of the answer that is lost.
    lost: watch::Sender<Option<u64>>,
}

impl Wire {
    /// A wire to `server`.
    pub async fn to(server: SocketAddr, mischief: Mischief) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::channel(State::Waiting).0);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut pumps = JoinSet::new();
        let (line_state, line_seen) = (Arc::clone(&state), Arc::clone(&seen));
        pumps.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let line = Line {
                    mischief,
                    state: Arc::clone(&line_state),
                    seen: Arc::clone(&line_seen),
                    asked: watch::channel(0).0,
                    lost: watch::channel(None).0,
                };
                connections.spawn(line.carry(client, server));
            }
        });
        Self { port, state, seen, _pumps: pumps }
    }

    /// Ends once a burst is held up.
    pub async fn held(&self) {
        drop(self.state.subscribe().wait_for(|state| *state == State::Held).await.unwrap());
    }

    /// Lets a burst that is held up go on.
    pub fn release(&self) {
        self.state.send_replace(State::Released);
    }

    /// What the client sent so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Line {
    async fn carry(self, client: TcpStream, server: TcpStream) {
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Whichever side ends first ends both.
        tokio::select! {
            _ = self.upwards(from_client, to_server) => {}
            _ = self.downwards(from_server, to_client) => {}
        }
    }

    async fn upwards(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) -> Option<()> {
        // The first message has no type.
        let length = client.read_u32().await.ok()?;
        let body = read_body(&mut client, length).await?;
        server.write_u32(length).await.ok()?;
        server.write_all(&body).await.ok()?;
        loop {
            let kind = client.read_u8().await.ok()?;
            let length = client.read_u32().await.ok()?;
            let body = read_body(&mut client, length).await?;
            let text = match kind {
                b'Q' | b'P' => String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned(),
                _ => String::new(),
            };
            let burst = kind == b'Q' && text.contains("WITH moved AS");
            self.seen.lock().unwrap().push(Seen { kind: char::from(kind), text });
            match kind {
                b'Q' | b'S' => self.asked.send_modify(|asked| *asked += 1),
                // The server overlooks the "sync" that came before the rows of a COPY.
                b'c' => self.asked.send_modify(|asked| *asked -= 1),
                _ => {}
            }
            let mut message = vec![kind];
            message.extend_from_slice(&length.to_be_bytes());
            message.extend_from_slice(&body);
            if burst && *self.state.borrow() == State::Waiting {
                self.first_burst(&mut server, &mut message).await?;
            }
            server.write_all(&message).await.ok()?;
        }
    }

    /// Does what was planned; leaves of the message what is still to be sent.
    async fn first_burst(&self, server: &mut OwnedWriteHalf, message: &mut Vec<u8>) -> Option<()> {
        match self.mischief {
            Mischief::None => {
                self.state.send_replace(State::Released);
            }
            Mischief::HoldBurst | Mischief::HoldLastByte => {
                if self.mischief == Mischief::HoldLastByte {
                    let last = message.split_off(message.len() - 1);
                    server.write_all(message).await.ok()?;
                    *message = last;
                }
                self.state.send_replace(State::Held);
                let mut state = self.state.subscribe();
                drop(state.wait_for(|state| *state == State::Released).await.ok()?);
            }
            Mischief::LoseAnswer => {
                self.state.send_replace(State::Released);
                let asked = *self.asked.borrow();
                self.lost.send_replace(Some(asked));
            }
            Mischief::CutBefore => {
                self.state.send_replace(State::Released);
                return None;
            }
        }
        Some(())
    }

    async fn downwards(&self, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) -> Option<()> {
        let mut answered = 0;
        let mut signed_in = false;
        loop {
            let kind = server.read_u8().await.ok()?;
            let length = server.read_u32().await.ok()?;
            let body = read_body(&mut server, length).await?;
            // The first "ready" belongs to signing in.
            let lost = signed_in && *self.lost.borrow() == Some(answered + 1);
            if kind == b'Z' {
                answered += u64::from(signed_in);
                signed_in = true;
            }
            if lost {
                if kind == b'Z' {
                    return None;
                }
                continue;
            }
            client.write_u8(kind).await.ok()?;
            client.write_u32(length).await.ok()?;
            client.write_all(&body).await.ok()?;
        }
    }
}

async fn read_body(from: &mut OwnedReadHalf, length: u32) -> Option<Vec<u8>> {
    let mut body = vec![0; usize::try_from(length).ok()?.checked_sub(4)?];
    from.read_exact(&mut body).await.ok()?;
    Some(body)
}
