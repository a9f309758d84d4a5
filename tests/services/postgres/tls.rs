//! TLS: certificates are verified unless the URL says otherwise by name.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use keepstep::destination::Destination;
use keepstep::destination::postgres::{PostgresDestination, PostgresSettings};
use keepstep::model::mutation::Mutations;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_openssl::SslStream;

use super::server::TestDatabase;
use crate::destination_conformance::scene;

type Signed = (X509, PKey<Private>);

fn certificate(name: &str, host: Option<&str>, authority: Option<&Signed>) -> Signed {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder: X509Builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(rand::random()).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(authority.map_or(&subject, |(one, _)| one.subject_name())).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    if authority.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    if let Some(host) = host {
        let mut names = SubjectAlternativeName::new();
        match host.parse::<std::net::IpAddr>() {
            Ok(_) => names.ip(host),
            Err(_) => names.dns(host),
        };
        let names = names.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(names).unwrap();
    }
    builder.sign(authority.map_or(&key, |(_, key)| key), MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

/// Offers TLS with a certificate and passes what comes to a server without; for its life.
async fn front(server: SocketAddr, certificate: &Signed) -> (u16, JoinSet<()>) {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate.0).unwrap();
    acceptor.set_private_key(&certificate.1).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut lines = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let ssl = Ssl::new(acceptor.context()).unwrap();
            lines.spawn(async move {
                // The request for TLS has eight bytes; the answer is one.
                client.read_exact(&mut [0; 8]).await.ok()?;
                client.write_all(b"S").await.ok()?;
                let mut client = SslStream::new(ssl, client).unwrap();
                Pin::new(&mut client).accept().await.ok()?;
                let mut server = TcpStream::connect(server).await.ok()?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
            });
        }
    });
    (port, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_must_be_trusted_and_name_the_host() {
    let database = TestDatabase::new().await;
    let server = SocketAddr::from(([127, 0, 0, 1], database.config().get_ports()[0]));
    let authority = certificate("an authority", None, None);
    let stranger = certificate("a stranger", None, None);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, signed: &Signed| {
        let path = folder.path().join(name);
        std::fs::write(&path, signed.0.to_pem().unwrap()).unwrap();
        path.to_str().unwrap().replace('/', "%2F")
    };
    let (trusted, other) = (file("trusted.pem", &authority), file("other.pem", &stranger));
    let here = certificate("here", Some("127.0.0.1"), Some(&authority));
    let elsewhere = certificate("elsewhere", Some("elsewhere.example"), Some(&authority));
    let (here_port, _here) = front(server, &here).await;
    let (elsewhere_port, _elsewhere) = front(server, &elsewhere).await;
    let untrusted = Some("certificate_untrusted");
    for (port, parameters, expected) in [
        (here_port, format!("sslmode=verify-full&sslrootcert={trusted}"), None),
        (here_port, "sslmode=verify-full".to_owned(), untrusted),
        (here_port, format!("sslmode=verify-full&sslrootcert={other}"), untrusted),
        (here_port, format!("sslmode=verify-ca&sslrootcert={other}"), untrusted),
        (elsewhere_port, format!("sslmode=verify-full&sslrootcert={trusted}"), untrusted),
        (elsewhere_port, format!("sslmode=verify-ca&sslrootcert={trusted}"), None),
        (elsewhere_port, "sslmode=require".to_owned(), None),
        (elsewhere_port, "sslmode=prefer".to_owned(), None),
        (server.port(), "sslmode=prefer".to_owned(), None),
        (server.port(), "sslmode=require".to_owned(), Some("no_tls")),
        (
            here_port,
            "sslmode=verify-full&sslrootcert=%2Fno%2Fsuch".to_owned(),
            Some("bad_authorities"),
        ),
    ] {
        let url = format!("{}?{parameters}", database.url(Some(port)));
        let settings = PostgresSettings::new(Arc::new(move || Ok(url.clone())));
        let destination = PostgresDestination::new(settings, Mutations::default()).unwrap();
        let activation = scene::activation(&[&scene::letters("account", true)]);
        let findings = destination.check(&activation).await;
        let found = findings.iter().find_map(|finding| finding.problem.as_ref());
        let code = found.map(|trouble| trouble.code.as_str());
        assert_eq!(code, expected, "{parameters} at {port}: {findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settings_may_name_the_authorities() {
    let database = TestDatabase::new().await;
    let server = SocketAddr::from(([127, 0, 0, 1], database.config().get_ports()[0]));
    let authority = certificate("an authority", None, None);
    let (port, _front) =
        front(server, &certificate("x", Some("127.0.0.1"), Some(&authority))).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, authority.0.to_pem().unwrap()).unwrap();
    let url = format!("{}?sslmode=verify-full", database.url(Some(port)));
    let mut settings = PostgresSettings::new(Arc::new(move || Ok(url.clone())));
    settings.certificate_authorities = Some(path);
    let destination = PostgresDestination::new(settings, Mutations::default()).unwrap();
    let activation = scene::activation(&[&scene::letters("account", true)]);
    destination.activate(&activation).await.unwrap();
}
