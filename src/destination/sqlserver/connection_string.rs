//! Reads ADO.NET connection strings, as users of Data Export Service keep them.
//!
//! Pure. Errors name the key, never a value: values are secrets. A key that is not known is a
//! mistake, for it may be one that protects something; one that is known and has no meaning here
//! (pooling is ours) is passed over.
//! Source: .NET documentation, `SqlConnection.ConnectionString`.

/// Where a server listens if nothing else is said.
const DEFAULT_PORT: u16 = 1433;

/// Keys, folded, that have no meaning here: pooling, waiting and packets are keepstep's own affair.
const PASSED_OVER: &[&str] = &[
    "applicationname",
    "app",
    "applicationintent",
    "asynchronousprocessing",
    "columnencryptionsetting",
    "connectiontimeout",
    "connecttimeout",
    "timeout",
    "commandtimeout",
    "connectionlifetime",
    "loadbalancetimeout",
    "connectionreset",
    "connectretrycount",
    "connectretryinterval",
    "contextconnection",
    "currentlanguage",
    "language",
    "enlist",
    "ipaddresspreference",
    "maxpoolsize",
    "minpoolsize",
    "multipleactiveresultsets",
    "networklibrary",
    "network",
    "net",
    "packetsize",
    "persistsecurityinfo",
    "persistsecurity",
    "poolblockingperiod",
    "pooling",
    "replication",
    "serverspn",
    "transactionbinding",
    "typesystemversion",
    "workstationid",
    "wsid",
];

/// What a connection string says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Name or address of the host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// User and password, if it has them.
    pub login: Option<(String, String)>,
    /// How the line is protected.
    pub encryption: Encryption,
    /// Whether the certificate is to be taken as it is.
    pub trust_server_certificate: bool,
    /// The name that the certificate must have, if it is not the host's.
    pub host_in_certificate: Option<String>,
    /// Whether it names Microsoft Entra as the way to sign in.
    pub wants_token: bool,
    /// Whether all addresses of the host are called at once: a listener has one in each subnet,
    /// and only one answers.
    pub all_addresses: bool,
}

/// How the line is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// All of it.
    Required,
    /// All of it, from the first byte on (TDS 8.0).
    Strict,
    /// Only the sign-in. For servers on this machine.
    Off,
}

/// Why a connection string cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectionStringError {
    /// Something that is no `key=value`.
    #[error("its part {0} is no KEY=VALUE")]
    NoPair(usize),
    /// A quotation mark that is not closed.
    #[error("the quotation mark at the value of {0} is not closed")]
    OpenQuote(String),
    /// A key that is not known.
    #[error("{0} is not known: remove it, or correct its spelling")]
    UnknownKey(String),
    /// What follows the password is no key: it may be a part of it, so it is not shown.
    #[error(
        "the key after the password is not known: correct it, or put the password into quotation \
         marks if there is a semicolon in it"
    )]
    AfterPassword,
    /// A value that the key cannot have.
    #[error("{key} must be {expected}")]
    WrongValue {
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A key that is needed.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Something that is not done here.
    #[error("{0}")]
    NotSupported(&'static str),
}

/// Reads a connection string.
pub(super) fn read(text: &str) -> Result<Target, ConnectionStringError> {
    let mut draft = Draft::default();
    let mut after_password = false;
    for (key, value) in pairs(text)? {
        draft.take(&key, value).map_err(|error| match error {
            ConnectionStringError::UnknownKey(_) if after_password => {
                ConnectionStringError::AfterPassword
            }
            error => error,
        })?;
        after_password = matches!(folded(&key).as_str(), "password" | "pwd");
    }
    draft.finish()
}

/// A key as it is compared: without blanks, in small letters.
fn folded(key: &str) -> String {
    key.chars().filter(|it| !it.is_whitespace()).collect::<String>().to_lowercase()
}

#[derive(Default)]
struct Draft {
    server: Option<String>,
    database: Option<String>,
    user: Option<String>,
    password: Option<String>,
    encryption: Option<Encryption>,
    trust: bool,
    host_in_certificate: Option<String>,
    wants_token: bool,
    all_addresses: bool,
}

impl Draft {
    fn take(&mut self, key: &str, value: String) -> Result<(), ConnectionStringError> {
        use ConnectionStringError::{NotSupported, UnknownKey};
        match folded(key).as_str() {
            "server" | "datasource" | "addr" | "address" | "networkaddress" => {
                self.server = Some(value);
            }
            "database" | "initialcatalog" => self.database = Some(value),
            "userid" | "uid" | "user" => self.user = Some(value),
            "password" | "pwd" => self.password = Some(value),
            "encrypt" => self.encryption = Some(encryption(&value)?),
            "trustservercertificate" => self.trust = flag("TrustServerCertificate", &value)?,
            "hostnameincertificate" => {
                self.host_in_certificate = Some(value).filter(|it| !it.is_empty());
            }
            "multisubnetfailover" => self.all_addresses = flag("MultiSubnetFailover", &value)?,
            "applicationintent" if value.eq_ignore_ascii_case("readonly") => {
                return Err(NotSupported(
                    "ApplicationIntent=ReadOnly leads to a copy that cannot be written: remove it",
                ));
            }
            "columnencryptionsetting" if value.eq_ignore_ascii_case("enabled") => {
                return Err(NotSupported(
                    "Always Encrypted is not supported: remove Column Encryption Setting",
                ));
            }
            "authentication" => self.wants_token = authentication(&value)?,
            "integratedsecurity" | "trusted_connection" => {
                if value.eq_ignore_ascii_case("sspi") || flag("Integrated Security", &value)? {
                    return Err(NotSupported(
                        "Integrated Security is not supported: use a SQL login or Microsoft Entra",
                    ));
                }
            }
            "failoverpartner" | "failoverpartnerspn" => {
                return Err(NotSupported(
                    "Failover Partner (mirroring) is not supported: name the listener instead",
                ));
            }
            "attachdbfilename" | "extendedproperties" | "initialfilename" | "userinstance" => {
                return Err(NotSupported("files cannot be attached: name a database"));
            }
            folded if PASSED_OVER.contains(&folded) => {}
            _ => return Err(UnknownKey(shown(key))),
        }
        Ok(())
    }

    fn finish(self) -> Result<Target, ConnectionStringError> {
        use ConnectionStringError::Missing;
        let server = self.server.ok_or(Missing("Server"))?;
        let (host, port) = address(&server)?;
        let database = self.database.filter(|it| !it.is_empty()).ok_or(Missing("Database"))?;
        let login = match (self.user, self.password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user, password)),
            (Some(_), None) if self.wants_token => None,
            (Some(_), None) => return Err(Missing("Password")),
            (None, Some(_)) => return Err(Missing("User ID")),
        };
        Ok(Target {
            host,
            port,
            database,
            login: login.filter(|_| !self.wants_token),
            encryption: self.encryption.unwrap_or(Encryption::Required),
            trust_server_certificate: self.trust,
            host_in_certificate: self.host_in_certificate,
            wants_token: self.wants_token,
            all_addresses: self.all_addresses,
        })
    }
}

/// A key of a mistake, short and without anything that upsets a terminal.
fn shown(key: &str) -> String {
    key.chars().filter(|it| !it.is_control()).take(40).collect()
}

/// `tcp:host,port`, `host\instance` is refused: its port must be named.
fn address(server: &str) -> Result<(String, u16), ConnectionStringError> {
    let wrong = || ConnectionStringError::WrongValue {
        key: "Server",
        expected: "a host, or host,port (tcp: may go before it)",
    };
    let server = server.trim();
    let server = match server.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("tcp:") => &server[4..],
        _ => server,
    };
    if server.contains('\\') {
        return Err(ConnectionStringError::NotSupported(
            "instances are not looked up by name: write the port of the instance, host,port",
        ));
    }
    let (host, port) = match server.split_once(',') {
        Some((host, port)) => (host, port.trim().parse().map_err(|_| wrong())?),
        None => (server, DEFAULT_PORT),
    };
    let host = host.trim();
    let host = if matches!(host, "." | "(local)") { "localhost" } else { host };
    if host.is_empty() || host.starts_with('(') || host.contains(':') && !host.contains("::") {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

fn flag(key: &'static str, value: &str) -> Result<bool, ConnectionStringError> {
    match value.to_lowercase().as_str() {
        "true" | "yes" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err(ConnectionStringError::WrongValue { key, expected: "True or False" }),
    }
}

fn encryption(value: &str) -> Result<Encryption, ConnectionStringError> {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "mandatory" => Ok(Encryption::Required),
        "strict" => Ok(Encryption::Strict),
        "false" | "no" | "optional" => Ok(Encryption::Off),
        _ => Err(ConnectionStringError::WrongValue {
            key: "Encrypt",
            expected: "True, False or Strict",
        }),
    }
}

fn authentication(value: &str) -> Result<bool, ConnectionStringError> {
    let folded: String = value.chars().filter(|it| !it.is_whitespace()).collect();
    match folded.to_lowercase().as_str() {
        "" | "sqlpassword" => Ok(false),
        "activedirectorydefault"
        | "activedirectorymanagedidentity"
        | "activedirectorymsi"
        | "activedirectoryserviceprincipal"
        | "activedirectoryworkloadidentity" => Ok(true),
        _ => Err(ConnectionStringError::NotSupported(
            "this Authentication needs a person: use a managed identity, a service principal, or \
             a SQL login",
        )),
    }
}

/// The pairs of the text. A value may stand in single or double quotation marks, in which a
/// doubled one stands for itself; a doubled equals sign in a key does, too.
fn pairs(text: &str) -> Result<Vec<(String, String)>, ConnectionStringError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(';') {
            rest = after.trim_start();
            continue;
        }
        let number = pairs.len() + 1;
        let Some(equals) = rest.find('=').filter(|at| !rest[..*at].contains(';')) else {
            return Err(ConnectionStringError::NoPair(number));
        };
        let key = rest[..equals].trim().to_owned();
        if key.is_empty() {
            return Err(ConnectionStringError::NoPair(number));
        }
        let (value, after) = value(&key, rest[equals + 1..].trim_start())?;
        pairs.push((key, value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// The value that the text begins with, and what follows its semicolon.
fn value<'t>(key: &str, text: &'t str) -> Result<(String, &'t str), ConnectionStringError> {
    let quote = text.chars().next().filter(|it| matches!(it, '"' | '\''));
    let Some(quote) = quote else {
        let (value, after) = text.split_once(';').unwrap_or((text, ""));
        return Ok((value.trim_end().to_owned(), after));
    };
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != quote {
            value.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == quote) {
            letters.next();
            value.push(quote);
        } else {
            let after = text[at + quote.len_utf8()..].trim_start();
            return match after.strip_prefix(';') {
                Some(rest) => Ok((value, rest)),
                None if after.is_empty() => Ok((value, after)),
                None => Err(ConnectionStringError::OpenQuote(shown(key))),
            };
        }
    }
    Err(ConnectionStringError::OpenQuote(shown(key)))
}

#[cfg(test)]
#[path = "connection_string_test.rs"]
mod tests;
