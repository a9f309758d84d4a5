//! Secrets: named in the settings, read when a connection is made, never printed.
//!
//! The settings hold only where a secret is. It is read anew for each connection, so that a
//! rotated password needs no restart and no edit.

use std::fmt;
use std::path::PathBuf;

/// Longest secret, in bytes; a longer file is no password.
const LONGEST_BYTES: u64 = 64 * 1024;

/// A secret. Prints as `***`, whatever asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretReference {
    /// In an environment variable.
    Environment(String),
    /// In a file; a line end at its end is not part of it.
    File(PathBuf),
}

/// Why a secret could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or not text.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The file cannot be read.
    #[error("the file {path} cannot be read: {kind}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why, by the system's word.
        kind: std::io::ErrorKind,
    },
    /// The file is too long to be a secret, or not text.
    #[error("the file {0} does not hold a secret: it is longer than 64 KiB or not text")]
    NoSecret(String),
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(SecretReference),
}

impl SecretReference {
    /// Reads `env:NAME` or `file:PATH`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Some(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Some(Self::File(PathBuf::from(path))),
            _ => None,
        }
    }

    /// Reads the secret.
    ///
    /// # Errors
    /// If it is not there, not text, too long or empty.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Environment(name) =>
            {
                #[expect(clippy::disallowed_methods, reason = "env:NAME is resolved here alone")]
                std::env::var(name).map_err(|_| SecretError::NotSet(name.clone()))?
            }
            Self::File(path) => {
                let path_text = path.display().to_string();
                let unreadable = |error: std::io::Error| SecretError::Unreadable {
                    path: path_text.clone(),
                    kind: error.kind(),
                };
                let length = std::fs::metadata(path).map_err(unreadable)?.len();
                if length > LONGEST_BYTES {
                    return Err(SecretError::NoSecret(path_text));
                }
                let bytes = std::fs::read(path).map_err(unreadable)?;
                let text = String::from_utf8(bytes);
                text.map_err(|_| SecretError::NoSecret(path_text.clone()))?
            }
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(SecretError::Empty(self.clone()));
        }
        Ok(Secret::new(text.to_owned()))
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn only_references_are_accepted() {
        assert_eq!(
            SecretReference::parse("env:PGURL"),
            Some(SecretReference::Environment("PGURL".to_owned()))
        );
        assert_eq!(
            SecretReference::parse("file:/run/secrets/pg"),
            Some(SecretReference::File(PathBuf::from("/run/secrets/pg")))
        );
        for literal in ["hunter2", "env:", "file:", "", "postgres://u:p@h/d", "ENV:X"] {
            assert_eq!(SecretReference::parse(literal), None, "{literal}");
        }
    }

    #[test]
    fn a_file_is_read_anew_each_time_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let reference = SecretReference::File(path.clone());
        assert!(matches!(reference.resolve(), Err(SecretError::Unreadable { .. })));
        std::fs::write(&path, "first\r\n").unwrap();
        assert_eq!(reference.resolve().unwrap().expose(), "first");
        std::fs::write(&path, "second").unwrap();
        assert_eq!(reference.resolve().unwrap().expose(), "second");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(reference.resolve(), Err(SecretError::Empty(_))));
        std::fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(reference.resolve(), Err(SecretError::NoSecret(_))));
    }
}
