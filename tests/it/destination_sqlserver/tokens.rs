//! Access tokens: a fresh one for each connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keepstep::destination::sqlserver::KeptToken;

use super::scene::{asked, lane, with_string};
use crate::tds_server::{Asked, On, Reaction, Server};

fn tokens(server: &Server) -> Vec<Option<String>> {
    let asked = server.asked().into_iter();
    asked
        .filter_map(|asked| if let Asked::Login(login) = asked { Some(login.token) } else { None })
        .collect()
}

#[tokio::test]
async fn every_connection_signs_in_with_a_fresh_token() {
    let server = Server::start().await;
    let mut settings = with_string(format!(
        "Server=127.0.0.1,{};Database=crm;Encrypt=False;Authentication=Active Directory Default",
        server.port
    ));
    let given = Arc::new(AtomicUsize::new(0));
    let source = Arc::clone(&given);
    settings.credential = Some(Arc::new(KeptToken::new(Arc::new(move || {
        Ok(format!("token-number-{}\n", source.fetch_add(1, Ordering::SeqCst)))
    }))));
    let lane = lane(settings);
    assert_eq!(asked(&lane).await, "worked");
    server.on(On::Batch("held_change"), Reaction::Cut);
    assert_eq!(asked(&lane).await, "retry connection_lost");
    assert_eq!(asked(&lane).await, "worked");
    let expected = ["token-number-0", "token-number-1"].map(|token| Some(token.to_owned()));
    assert_eq!(tokens(&server), expected);
    // A token that has run out.
    server.on(On::Batch("held_change"), Reaction::Cut);
    asked(&lane).await;
    server.on(On::Login, Reaction::error(18456, 14));
    assert_eq!(asked(&lane).await, "retry 18456");
    assert_eq!(asked(&lane).await, "worked");
    assert_eq!(given.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn without_a_token_nobody_is_called() {
    let server = Server::start().await;
    let string = format!(
        "Server=127.0.0.1,{};Database=crm;Encrypt=False;Authentication=Active Directory MSI",
        server.port
    );
    for source in [
        None,
        Some(KeptToken::new(Arc::new(|| Ok(" \n".to_owned())))),
        Some(KeptToken::new(Arc::new(|| Err("the file x cannot be read".to_owned())))),
    ] {
        let mut settings = with_string(string.clone());
        settings.credential = source.map(|source| Arc::new(source) as _);
        assert_eq!(asked(&lane(settings)).await, "retry access_token_missing");
    }
    assert_eq!(server.counts().accepted, 0);
}
