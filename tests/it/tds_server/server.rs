//! The server: listens, follows its script, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::answers::Session;
use super::login::{self, Encryption};
use super::script::{Asked, On, Reaction};
use super::tls::{self, Identity};
use super::wire::{self, Line, Packet};

/// What the messages of the server's errors quote: it may never get out.
pub const QUOTED: &str = "the duplicate key value is (content-of-a-record)";
/// Longest wait for something that must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// How many connections there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: usize,
    pub ended: usize,
}

#[derive(Default)]
struct State {
    rules: Mutex<Vec<(On, Reaction)>>,
    asked: Mutex<Vec<Asked>>,
    counts: watch::Sender<Counts>,
    identity: Option<Identity>,
}

/// A server. It ends when it is dropped.
pub struct Server {
    pub port: u16,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// A server without TLS.
    pub async fn start() -> Self {
        Self::with(None).await
    }

    /// A server that wants TLS, and is this one.
    pub async fn encrypted(identity: Identity) -> Self {
        Self::with(Some(identity)).await
    }

    async fn with(identity: Option<Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { identity, ..State::default() });
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                state.counts.send_modify(|counts| counts.accepted += 1);
                sessions.spawn(async move {
                    serve(stream, &state).await;
                    state.counts.send_modify(|counts| counts.ended += 1);
                });
            }
        });
        Self { port, state, _tasks: tasks }
    }

    /// Reacts so at the next request of this kind; once.
    pub fn on(&self, on: On, reaction: Reaction) {
        self.state.rules.lock().unwrap().push((on, reaction));
    }

    /// Everything that was asked, of all connections.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Texts of the batches that hold this.
    pub fn batches(&self, part: &str) -> Vec<String> {
        let asked = self.asked().into_iter();
        asked
            .filter_map(|asked| match asked {
                Asked::Batch(text) if text.contains(part) => Some(text),
                _ => None,
            })
            .collect()
    }

    pub fn counts(&self) -> Counts {
        *self.state.counts.borrow()
    }

    /// Waits until so many connections have ended.
    pub async fn ended(&self, number: usize) {
        let mut counts = self.state.counts.subscribe();
        let waiting = counts.wait_for(|counts| counts.ended >= number);
        tokio::time::timeout(DEADLINE, waiting).await.expect("connections end").unwrap();
    }
}

/// Serves a client until one of both ends it.
async fn serve(stream: TcpStream, state: &State) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut line: Box<dyn Line> = Box::new(stream);
    let mut session = Session::default();
    let mut message = Vec::new();
    let mut bulk_bytes = 0;
    // A handshake needs the line itself, so it is done apart.
    loop {
        let packet = wire::read(&mut *line).await?;
        if packet.kind == wire::BULK {
            if bulk_bytes == 0 {
                react(&mut *line, state, &Asked::BulkBegins, &mut session).await?;
            }
            bulk_bytes += packet.payload.len();
            if packet.last {
                let asked = Asked::Bulk { bytes: std::mem::take(&mut bulk_bytes) };
                react(&mut *line, state, &asked, &mut session).await?;
            }
            continue;
        }
        message.extend(&packet.payload);
        if !packet.last {
            continue;
        }
        let asked = asked(&packet, &std::mem::take(&mut message));
        let turns_to_tls = matches!(asked, Asked::Prelogin);
        react(&mut *line, state, &asked, &mut session).await?;
        if let (true, Some(identity)) = (turns_to_tls, &state.identity) {
            line = Box::new(tls::accept(line, identity).await?);
        }
    }
}

fn asked(packet: &Packet, message: &[u8]) -> Asked {
    match packet.kind {
        wire::PRELOGIN => Asked::Prelogin,
        wire::LOGIN => Asked::Login(login::read(message)),
        wire::BATCH => Asked::Batch(login::batch(message)),
        wire::CALL => Asked::Batch(login::call(message)),
        wire::ATTENTION => Asked::Attention,
        other => panic!("a packet of type {other}"),
    }
}

/// Does what the script says, or what a server does; `None` ends the connection.
async fn react(
    line: &mut dyn Line,
    state: &State,
    asked: &Asked,
    session: &mut Session,
) -> Option<()> {
    state.asked.lock().unwrap().push(asked.clone());
    let reaction = {
        let mut rules = state.rules.lock().unwrap();
        let at = rules.iter().position(|(on, _)| on.meets(asked));
        at.map(|at| rules.remove(at).1)
    };
    let well = |session: &mut Session| match asked {
        Asked::Prelogin if state.identity.is_some() => login::prelogin(Encryption::On),
        Asked::Prelogin => login::prelogin(Encryption::NotSupported),
        _ => session.answer(asked),
    };
    match reaction {
        None if matches!(asked, Asked::BulkBegins) => Some(()),
        None => {
            let answer = well(session);
            wire::send(line, &wire::message(wire::ANSWER, &answer)).await
        }
        Some(Reaction::Tokens(tokens)) => {
            wire::send(line, &wire::message(wire::ANSWER, &tokens)).await
        }
        Some(Reaction::Stall) => {
            // Until the client has gone.
            while wire::read(line).await.is_some() {}
            None
        }
        Some(Reaction::Cut) => None,
        Some(Reaction::CutAfter(bytes)) => {
            let answer = wire::message(wire::ANSWER, &well(session));
            wire::send(line, &answer[..bytes.min(answer.len())]).await?;
            None
        }
        Some(Reaction::Garbage(bytes)) => {
            wire::send(line, &bytes).await?;
            None
        }
    }
}
