//! A wire that can be cut and held up half-way through whatever it carries.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes that are carried at once.
const PIECE: usize = 4096;

/// What its connections do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Orders {
    /// Of the next piece half goes on; the rest waits until this is no longer so.
    stalled: bool,
    /// New connections end at once.
    closed: bool,
    /// Connections older than this end after half of their next piece.
    age: u64,
}

/// A wire to a server. Its connections end with it.
pub struct Proxy {
    port: u16,
    orders: watch::Sender<Orders>,
    _lines: JoinSet<()>,
}

impl Proxy {
    /// Listens on `port`, or on any where that is 0, and carries everything to `server`.
    pub(super) async fn start(port: u16, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let port = listener.local_addr().unwrap().port();
        let orders = watch::Sender::new(Orders { stalled: false, closed: false, age: 0 });
        let (mut lines, watched) = (JoinSet::new(), orders.subscribe());
        lines.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((client, _)) = listener.accept() => {
                        connections.spawn(carry(client, server, watched.clone()));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { port, orders, _lines: lines }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections half-way through what they carry next.
    pub(super) fn cut(&self) {
        self.orders.send_modify(|orders| orders.age += 1);
    }

    /// Holds all connections up half-way through what they carry next, also new ones.
    pub(super) fn stall(&self) {
        self.orders.send_modify(|orders| orders.stalled = true);
    }

    /// Ends all connections at once, also new ones.
    pub(super) fn close(&self) {
        self.orders.send_modify(|orders| {
            orders.age += 1;
            orders.closed = true;
        });
    }

    /// Lets new ones come.
    pub(super) fn open(&self) {
        self.orders.send_modify(|orders| orders.closed = false);
    }

    /// Lets them go on.
    pub(super) fn flow(&self) {
        self.orders.send_modify(|orders| orders.stalled = false);
    }
}

async fn carry(client: TcpStream, server: SocketAddr, orders: watch::Receiver<Orders>) {
    // A server that is away ends the connection, as it would without a proxy.
    if orders.borrow().closed {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (Ok(()), Ok(())) = (client.set_nodelay(true), server.set_nodelay(true)) else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Whichever side ends first ends both.
    tokio::select! {
        _ = pump(from_client, to_server, orders.clone()) => {}
        _ = pump(from_server, to_client, orders) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut orders: watch::Receiver<Orders>,
) -> Option<()> {
    let born = orders.borrow().age;
    let mut piece = vec![0; PIECE];
    loop {
        let read = tokio::select! {
            read = from.read(&mut piece) => read,
            _ = orders.wait_for(|orders| orders.closed) => return None,
        };
        let length = read.ok().filter(|length| *length > 0)?;
        let now = *orders.borrow();
        let whole = !now.stalled && now.age == born;
        let (first, rest) = piece[..length].split_at(if whole { length } else { length / 2 });
        to.write_all(first).await.ok()?;
        let after = *orders.wait_for(|orders| !orders.stalled).await.ok()?;
        if after.age != born {
            return None;
        }
        to.write_all(rest).await.ok()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says back what it hears, and a client of it by way of a proxy.
    async fn echo() -> (JoinSet<()>, Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let (connection, _) = listener.accept().await.unwrap();
            let (mut from, mut to) = connection.into_split();
            drop(tokio::io::copy(&mut from, &mut to).await);
        });
        let proxy = Proxy::start(0, address).await;
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
        (server, proxy, client)
    }

    async fn says(client: &mut TcpStream, text: &[u8]) {
        client.write_all(text).await.unwrap();
    }

    async fn hears(client: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut heard = vec![0; length];
        client.read_exact(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test]
    async fn half_of_it_comes_when_it_is_stalled_and_the_rest_later() {
        let (_server, proxy, mut client) = echo().await;
        says(&mut client, b"whole").await;
        assert_eq!(hears(&mut client, 5).await, b"whole");
        proxy.stall();
        // Half of what the server hears and half of what it says.
        says(&mut client, b"12345678").await;
        assert_eq!(hears(&mut client, 2).await, b"12");
        proxy.flow();
        assert_eq!(hears(&mut client, 6).await, b"345678");
    }

    #[tokio::test]
    async fn it_is_cut_half_way() {
        let (_server, proxy, mut client) = echo().await;
        says(&mut client, b"whole").await;
        assert_eq!(hears(&mut client, 5).await, b"whole");
        proxy.cut();
        says(&mut client, b"12345678").await;
        let mut heard = Vec::new();
        // Ended, or reset: either way no more than half.
        drop(client.read_to_end(&mut heard).await);
        assert!(heard.len() <= 4, "{heard:?}");
    }

    #[tokio::test]
    async fn while_it_is_closed_nobody_is_served() {
        let (_server, proxy, mut client) = echo().await;
        says(&mut client, b"whole").await;
        assert_eq!(hears(&mut client, 5).await, b"whole");
        proxy.close();
        let mut heard = Vec::new();
        // Ended, or reset.
        drop(client.read_to_end(&mut heard).await);
        assert_eq!(heard, b"");
        let mut other = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
        drop(other.read_to_end(&mut heard).await);
        assert_eq!(heard, b"");
    }
}
