//! Reads a connection's URL: whom to call, and how far to trust the line.
//!
//! tokio-postgres knows no `sslmode` that verifies and no certificate files, so these parameters
//! are taken out here and the rest is left to it. Pure. No part of a URL is ever in an error.

use std::net::IpAddr;
use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Not at all.
    Disable,
    /// Encrypted if the server offers it, unverified: as good as nothing against an attacker.
    Prefer,
    /// Encrypted, unverified.
    Require,
    /// Encrypted; the server's certificate comes from an authority that is trusted.
    VerifyAuthority,
    /// Encrypted; the certificate is trusted and names the host that was asked for.
    VerifyFull,
}

/// A URL, read.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Host, database, user, password.
    pub config: Config,
    /// How the connection is protected.
    pub protection: Protection,
    /// Certificates of the authorities to trust, where the URL names them.
    pub authorities: Option<PathBuf>,
}

/// Why a URL cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    /// Not a URL of PostgreSQL.
    #[error(
        "Write postgres://user:password@host:5432/database, with special characters in %XX form."
    )]
    Form,
    /// `sslmode` has an unknown value.
    #[error("sslmode must be disable, prefer, require, verify-ca or verify-full.")]
    SslMode,
    /// There is no user in it.
    #[error("The URL names no user: write postgres://user:password@host:5432/database.")]
    NoUser,
}

/// Reads a URL.
pub(super) fn read(url: &str) -> Result<Target, UrlError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(UrlError::Form);
    }
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut protection = None;
    let mut authorities = None;
    let mut rest: Vec<&str> = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or(UrlError::Form)?;
        match name {
            "sslmode" => protection = Some(protection_of(value)?),
            "sslrootcert" if value == "system" => authorities = None,
            "sslrootcert" => authorities = Some(PathBuf::from(decoded(value)?)),
            _ => rest.push(parameter),
        }
    }
    let plain = match rest.is_empty() {
        true => address.to_owned(),
        false => format!("{address}?{}", rest.join("&")),
    };
    let mut config: Config = plain.parse().map_err(|_| UrlError::Form)?;
    if config.get_user().is_none() {
        return Err(UrlError::NoUser);
    }
    let protection = protection.unwrap_or_else(|| match stays_on_this_machine(&config) {
        true => Protection::Disable,
        false => Protection::VerifyFull,
    });
    config.ssl_mode(match protection {
        Protection::Disable => SslMode::Disable,
        Protection::Prefer => SslMode::Prefer,
        _ => SslMode::Require,
    });
    Ok(Target { config, protection, authorities })
}

fn protection_of(word: &str) -> Result<Protection, UrlError> {
    Ok(match word {
        "disable" => Protection::Disable,
        "prefer" => Protection::Prefer,
        "require" => Protection::Require,
        "verify-ca" => Protection::VerifyAuthority,
        "verify-full" => Protection::VerifyFull,
        _ => return Err(UrlError::SslMode),
    })
}

/// Whether every host is on this machine.
fn stays_on_this_machine(config: &Config) -> bool {
    let loopback = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(loopback)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Undoes the %XX form.
fn decoded(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        let (high, low) = high.zip(low).ok_or(UrlError::Form)?;
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| UrlError::Form)?);
    }
    String::from_utf8(bytes).map_err(|_| UrlError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_a_line_that_leaves_the_machine_is_verified() {
        for (url, expected) in [
            ("postgres://u:p@db.example.com/d", Protection::VerifyFull),
            ("postgres://u:p@10.0.0.1/d", Protection::VerifyFull),
            ("postgres://u:p@127.0.0.1:5433/d", Protection::Disable),
            ("postgresql://u:p@localhost/d", Protection::Disable),
            ("postgres://u:p@[::1]/d", Protection::Disable),
            ("postgres://u@%2Fvar%2Frun%2Fpostgresql/d", Protection::Disable),
            ("postgres://u:p@localhost,db.example.com/d", Protection::VerifyFull),
            ("postgres://u:p@localhost/d?hostaddr=10.0.0.1", Protection::VerifyFull),
            ("postgres://u:p@localhost/d?sslmode=verify-full", Protection::VerifyFull),
            ("postgres://u:p@db/d?sslmode=disable", Protection::Disable),
            ("postgres://u:p@db/d?sslmode=prefer", Protection::Prefer),
            ("postgres://u:p@db/d?sslmode=require", Protection::Require),
            ("postgres://u:p@db/d?sslmode=verify-ca", Protection::VerifyAuthority),
        ] {
            assert_eq!(read(url).unwrap().protection, expected, "{url}");
        }
    }

    #[test]
    fn certificates_are_named_and_other_parameters_left_to_the_driver() {
        let url = "postgres://u:p%40ss@h:1/d?sslrootcert=%2Fetc%2Fmy%20ca.pem&application_name=x";
        let target = read(url).unwrap();
        assert_eq!(target.authorities, Some(PathBuf::from("/etc/my ca.pem")));
        assert_eq!(target.config.get_application_name(), Some("x"));
        assert_eq!(target.config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(target.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(read("postgres://u@h/d?sslrootcert=system").unwrap().authorities, None);
    }

    #[test]
    fn an_error_never_repeats_the_url() {
        for url in [
            "hunter2",
            "mysql://u:hunter2@h/d",
            "host=h password=hunter2",
            "postgres://u:hunter2@h/d?hunter2",
            "postgres://u:hunter2@h:port/d",
            "postgres://u:hunter2@h/d?sslmode=hunter2",
            "postgres://u:hunter2@h/d?unknown=hunter2",
            "postgres://u:hunter2@h/d?sslrootcert=%zz",
            "postgres://h/d",
        ] {
            let error = read(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
    }
}
