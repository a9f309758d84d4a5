//! Connecting and signing in; what a connection is good for afterwards.

use std::time::Duration;

use keepstep::destination::DestinationError;

use super::scene::{SHORT, ask, asked, impatient, lane, settings, told, with_string};
use crate::destination_conformance::scene as conformance;
use crate::tds_server::{Asked, Login, On, Reaction, Server};

fn logins(server: &Server) -> Vec<Login> {
    let asked = server.asked().into_iter();
    asked
        .filter_map(|asked| if let Asked::Login(login) = asked { Some(login) } else { None })
        .collect()
}

#[tokio::test]
async fn a_connection_is_made_as_the_string_says_and_used_again() {
    let server = Server::start().await;
    let lane = lane(settings(&server));
    for _ in 0..3 {
        ask(&lane).await.unwrap();
    }
    assert_eq!(server.counts().accepted, 1);
    let login = Login {
        user: "sync".to_owned(),
        password: super::scene::PASSWORD.to_owned(),
        application: "keepstep".to_owned(),
        database: "crm".to_owned(),
        token: None,
    };
    assert_eq!(logins(&server), [login]);
    // Each session once.
    assert_eq!(server.batches("SET XACT_ABORT ON; SET NOCOUNT ON;").len(), 1);
    assert_eq!(server.batches("SET LOCK_TIMEOUT 10000;").len(), 1);
    drop(lane);
    server.ended(1).await;
}

#[tokio::test]
async fn what_goes_wrong_at_the_sign_in_is_tried_again_and_costs_the_connection() {
    use Reaction::{Cut, CutAfter, Garbage, Stall};
    for (on, reaction, expected) in [
        (On::Prelogin, Stall, "retry timed_out"),
        (On::Prelogin, Cut, "retry connection_lost"),
        (On::Prelogin, CutAfter(5), "retry connection_lost"),
        (On::Prelogin, Garbage(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "retry"),
        (On::Login, Stall, "retry timed_out"),
        (On::Login, Cut, "retry connection_lost"),
        (On::Login, CutAfter(12), "retry connection_lost"),
        (On::Login, Garbage(vec![0xFF; 64]), "retry"),
        // Login failed; cannot open the database; the firewall: a lane ran before, so it waits.
        (On::Login, Reaction::error(18456, 14), "retry 18456"),
        (On::Login, Reaction::error(4060, 11), "retry 4060"),
        (On::Login, Reaction::error(40615, 14), "retry 40615"),
        // Azure SQL: not available, busy, out of resources.
        (On::Login, Reaction::error(40613, 17), "retry 40613"),
        (On::Login, Reaction::error(40501, 20), "retry 40501"),
        (On::Login, Reaction::error(49918, 16), "retry 49918"),
        (On::Batch("SET XACT_ABORT"), Cut, "retry connection_lost"),
        (On::Batch("SERVERPROPERTY"), Stall, "retry timed_out"),
        (On::Batch("SERVERPROPERTY"), Reaction::error(40197, 20), "retry 40197"),
    ] {
        let server = Server::start().await;
        server.on(on, reaction.clone());
        let lane = lane(impatient(&server));
        let first = asked(&lane).await;
        assert!(first.starts_with(expected), "{on:?} {reaction:?}: {first}");
        server.ended(1).await;
        assert_eq!(asked(&lane).await, "worked", "{on:?} {reaction:?}");
        assert_eq!(server.counts().accepted, 2, "{on:?} {reaction:?}");
    }
}

#[tokio::test]
async fn what_is_refused_at_the_sign_in_names_what_to_do() {
    for (number, class, expected) in [
        (18456, 14, "check user, password or access token"),
        (4060, 11, "that the database is there"),
        (40615, 14, "add a rule"),
        (40613, 17, "it ends by itself"),
    ] {
        let server = Server::start().await;
        server.on(On::Login, Reaction::error(number, class));
        match ask(&lane(settings(&server))).await {
            Err(DestinationError::Retry(trouble)) => {
                told(&trouble);
                assert!(trouble.hint.contains(expected), "{number}: {}", trouble.hint);
            }
            other => panic!("{number}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_person_who_activates_is_told_of_a_login_that_fails() {
    let server = Server::start().await;
    server.on(On::Login, Reaction::error(18456, 14));
    let lane = lane(settings(&server));
    let activation = conformance::activation(&[&conformance::letters("account", true)]);
    match lane.destination.activate(&activation).await {
        Err(DestinationError::Fatal(trouble)) => assert_eq!(told(&trouble), "18456"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn strings_that_cannot_be_used_need_a_person() {
    for (text, expected) in [
        ("Server=h;Password=hunter2;hunter2=hunter2", "connection_string_wrong"),
        (
            "Server=db.example.com;Database=d;UID=u;PWD=hunter2;Encrypt=False",
            "connection_string_wrong",
        ),
        (
            "Server=db.example.com;Database=d;UID=u;PWD=hunter2;TrustServerCertificate=True",
            "connection_string_wrong",
        ),
        ("Server=localhost;Database=d", "connection_string_wrong"),
    ] {
        let lane = lane(with_string(text.to_owned()));
        assert_eq!(asked(&lane).await, format!("fatal {expected}"), "{text}");
    }
}

#[tokio::test]
async fn a_client_goes_where_it_is_sent_but_not_for_ever() {
    let (gateway, worker) = (Server::start().await, Server::start().await);
    gateway.on(On::Login, Reaction::redirect("localhost", worker.port));
    let lane = lane(settings(&gateway));
    assert_eq!(asked(&lane).await, "worked");
    gateway.ended(1).await;
    assert_eq!((gateway.counts().accepted, worker.counts().accepted), (1, 1));
    assert_eq!(logins(&worker)[0].user, "sync");

    let circle = Server::start().await;
    for _ in 0..10 {
        circle.on(On::Login, Reaction::redirect("127.0.0.1", circle.port));
    }
    let lane = super::scene::lane(settings(&circle));
    assert_eq!(asked(&lane).await, "retry redirected");
    assert_eq!(circle.counts().accepted, 4);
}

#[tokio::test]
async fn a_line_without_tls_is_never_led_off_this_machine() {
    let server = Server::start().await;
    // A name that nobody has: to look it up would be another failure.
    server.on(On::Login, Reaction::redirect("gateway.invalid", 1433));
    assert_eq!(asked(&lane(settings(&server))).await, "retry redirected");
}

#[tokio::test]
async fn a_connection_whose_call_did_not_end_is_never_lent_again() {
    let server = Server::start().await;
    let lane = lane(impatient(&server));
    ask(&lane).await.unwrap();
    server.on(On::Batch("held_change"), Reaction::Stall);
    assert_eq!(asked(&lane).await, "retry timed_out");
    server.ended(1).await;
    ask(&lane).await.unwrap();
    assert_eq!(server.counts().accepted, 2);
}

#[tokio::test]
async fn a_call_that_is_dropped_takes_its_connection_with_it() {
    let server = Server::start().await;
    let lane = lane(settings(&server));
    server.on(On::Batch("held_change"), Reaction::Stall);
    assert!(tokio::time::timeout(SHORT, ask(&lane)).await.is_err());
    server.ended(1).await;
    ask(&lane).await.unwrap();
    assert_eq!(server.counts().accepted, 2);
}

#[tokio::test]
async fn nobody_waits_for_a_free_connection_for_ever() {
    let server = Server::start().await;
    let mut settings = settings(&server);
    settings.connections = 1;
    settings.answer_timeout = SHORT;
    settings.command_timeout = Duration::from_secs(30);
    let lane = lane(settings);
    ask(&lane).await.unwrap();
    server.on(On::Batch("held_change"), Reaction::Stall);
    let (first, second) = (ask(&lane), asked(&lane));
    let first = std::pin::pin!(first);
    tokio::select! {
        biased;
        _ = first => panic!("a server that says nothing was heard"),
        second = second => assert_eq!(second, "retry timed_out"),
    }
    assert_eq!(server.counts().accepted, 1);
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_outage() {
    let server = Server::start().await;
    let settings = settings(&server);
    let lane = lane(settings);
    ask(&lane).await.unwrap();
    drop(server);
    assert_eq!(asked(&lane).await, "retry connection_lost");
    assert_eq!(asked(&lane).await, "retry connection_lost");
}
