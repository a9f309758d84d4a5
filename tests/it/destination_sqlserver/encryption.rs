//! Promise G11: the line is encrypted and the certificate verified unless somebody says otherwise
//! by name.

use keepstep::destination::sqlserver::SqlServerSettings;

use super::scene::{PASSWORD, asked, lane, with_string};
use crate::tds_server::Server;
use crate::tds_server::tls::Identity;

fn to(server: &Server, more: &str) -> SqlServerSettings {
    with_string(format!(
        "Server=localhost,{};Database=crm;UID=sync;PWD={PASSWORD};{more}",
        server.port
    ))
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_name_the_host() {
    let (authority, stranger) = (Identity::authority(), Identity::authority());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, identity: &Identity| {
        let path = folder.path().join(name);
        std::fs::write(&path, identity.pem()).unwrap();
        Some(path)
    };
    let trusted = file("trusted.pem", &authority);
    let other = file("other.pem", &stranger);
    let nothing = folder.path().join("nothing.pem");
    std::fs::write(&nothing, "no certificate").unwrap();
    let here = Server::encrypted(authority.host("localhost")).await;
    let elsewhere = Server::encrypted(authority.host("elsewhere.example")).await;
    let named = "HostNameInCertificate=elsewhere.example";
    for (server, authorities, more, expected) in [
        (&here, &trusted, "", "worked"),
        (&here, &trusted, "Encrypt=True;TrustServerCertificate=False", "worked"),
        (&here, &None, "", "fatal tls"),
        (&here, &other, "", "fatal tls"),
        (&here, &trusted, named, "fatal tls"),
        (&elsewhere, &trusted, "", "fatal tls"),
        (&elsewhere, &trusted, named, "worked"),
        // On this machine nothing leaves it.
        (&here, &None, "TrustServerCertificate=True", "worked"),
        // An authority that is named is meant.
        (&here, &other, "TrustServerCertificate=True", "fatal tls"),
        (&here, &Some(folder.path().join("missing.pem")), "", "fatal bad_authorities"),
        (&here, &Some(nothing), "", "fatal bad_authorities"),
    ] {
        let mut settings = to(server, more);
        settings.certificate_authorities.clone_from(authorities);
        assert_eq!(asked(&lane(settings)).await, expected, "{authorities:?} {more}");
    }
    let mut settings = to(&elsewhere, "");
    settings.trust_server_certificate = true;
    assert_eq!(asked(&lane(settings)).await, "worked");
}

#[tokio::test]
async fn a_server_without_tls_gets_no_password() {
    let server = Server::start().await;
    for more in ["", "Encrypt=True", "TrustServerCertificate=True"] {
        assert_eq!(asked(&lane(to(&server, more))).await, "fatal tls", "{more}");
    }
    let asked = format!("{:?}", server.asked());
    assert!(!asked.contains(PASSWORD), "{asked}");
}
