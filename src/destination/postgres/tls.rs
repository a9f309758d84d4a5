//! TLS of a connection: OpenSSL, set as the URL asks.
//!
//! Certificates are verified unless the URL says otherwise by name. The vendored OpenSSL knows no
//! system's certificates by itself, so they are looked for.

use std::path::Path;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use postgres_openssl::MakeTlsConnector;

use super::url::Protection;

/// Makes the connector of a protection; `authorities` are trusted instead of the system's.
///
/// # Errors
/// If the file of the authorities cannot be read or holds no certificate.
pub(super) fn connector(
    protection: Protection,
    authorities: Option<&Path>,
) -> Result<MakeTlsConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    match authorities {
        Some(file) => {
            // A builder begins with the places that were compiled in; only the file shall count.
            builder.set_cert_store(openssl::x509::store::X509StoreBuilder::new()?.build());
            builder.set_ca_file(file)?;
        }
        None => trust_the_system(&mut builder)?,
    }
    let verified = matches!(protection, Protection::VerifyAuthority | Protection::VerifyFull);
    builder.set_verify(if verified { SslVerifyMode::PEER } else { SslVerifyMode::NONE });
    let mut connector = MakeTlsConnector::new(builder.build());
    let names_count = protection == Protection::VerifyFull;
    connector.set_callback(move |ssl, _host| {
        ssl.set_verify_hostname(names_count);
        Ok(())
    });
    Ok(connector)
}

fn trust_the_system(builder: &mut openssl::ssl::SslConnectorBuilder) -> Result<(), ErrorStack> {
    let found = openssl_probe::probe();
    for folder in &found.cert_dir {
        builder.load_verify_locations(None, Some(folder))?;
    }
    if let Some(file) = &found.cert_file {
        builder.load_verify_locations(Some(file), None)?;
    }
    Ok(())
}
