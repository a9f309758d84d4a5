//! A small HTTP server for those who watch: `/metrics`, `/healthz`, `/readyz`.
//!
//! Promises: it answers as long as the process lives, also while it stops, and never makes the
//! pipelines wait. It has no log-in and says nothing but numbers and states; it should listen where
//! the world does not reach. Bounded: at most 64 connections and 16 requests at a time, and no
//! request bodies are read.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::bounded_listener::BoundedListener;
use crate::metrics::Metrics;

/// Most requests that are answered at a time; further ones are told to come back.
const MOST_REQUESTS: usize = 16;
/// Most connections at a time; further ones wait.
const MOST_CONNECTIONS: usize = 64;

/// What the process says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is not doing its work yet, or no longer: why.
    NotReady(String),
    /// It does its work.
    Ready,
}

/// What the answers are made from. Cheap to clone.
#[derive(Clone)]
struct Watched {
    metrics: Metrics,
    readiness: watch::Receiver<Readiness>,
    requests: Arc<Semaphore>,
}

/// The server, bound to its address but not answering yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// If it is taken or not ours.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// Where it listens, with the port that the system chose if the settings say 0.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is dropped.
    ///
    /// # Errors
    /// If the listener fails for good.
    pub async fn serve(
        self,
        metrics: Metrics,
        readiness: watch::Receiver<Readiness>,
    ) -> std::io::Result<()> {
        let requests = Arc::new(Semaphore::new(MOST_REQUESTS));
        let watched = Watched { metrics, readiness, requests };
        axum::serve(BoundedListener::new(self.listener, MOST_CONNECTIONS), router(watched)).await
    }
}

fn router(watched: Watched) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(show_readiness))
        .fallback(|| async { (StatusCode::NOT_FOUND, "try /metrics, /healthz or /readyz\n") })
        .layer(middleware::from_fn_with_state(watched.clone(), bound))
        .with_state(watched)
}

/// Turns requests away that come while too many are being answered.
async fn bound(
    State(watched): State<Watched>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    let Ok(_permit) = watched.requests.try_acquire() else {
        let again = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, again, "too many requests\n").into_response();
    };
    next.run(request).await
}

async fn show_metrics(State(watched): State<Watched>) -> Response {
    match watched.metrics.render() {
        Ok(text) => {
            let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (content_type, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be shown");
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be shown\n").into_response()
        }
    }
}

async fn show_readiness(State(watched): State<Watched>) -> Response {
    match &*watched.readiness.borrow() {
        Readiness::Ready => "ready\n".into_response(),
        Readiness::NotReady(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_says_how_the_process_is() {
        let metrics = Metrics::new().unwrap();
        metrics.set_memory_budget(7);
        let (readiness, watched) = watch::channel(Readiness::NotReady("starting".to_owned()));
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.address().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(server.serve(metrics, watched));
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let not_ready = get(address, "/readyz").await;
        assert!(not_ready.starts_with("HTTP/1.1 503") && not_ready.ends_with("starting\n"));
        readiness.send_replace(Readiness::Ready);
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = get(address, "/metrics").await;
        assert!(metrics.contains("\nkeepstep_memory_budget_bytes 7\n"), "{metrics}");
        assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn too_many_requests_are_turned_away() {
        let (_readiness, watched) = watch::channel(Readiness::Ready);
        let requests = Arc::new(Semaphore::new(0));
        let watched = Watched { metrics: Metrics::new().unwrap(), readiness: watched, requests };
        let router = router(watched);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await });
        let answer = get(address, "/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"));
    }
}
