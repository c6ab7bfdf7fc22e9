//! What the URL of a server says, in the spellings of PostgreSQL's and MariaDB's own programs.
//!
//! Promises: the password is in no message; an unknown parameter is an error, since one that is
//! passed over (`ssl-mod=verify-full`) would be a promise not kept.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::retry::Retry;
use crate::secret::DatabaseUrl;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address.
    Network(String),
    /// The path of a socket (MariaDB) or of the folder that holds it (PostgreSQL).
    Socket(PathBuf),
}

/// How far an encrypted connection is insisted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Never encrypt.
    Disable,
    /// Encrypt where the server can; whoever is in between could say that it cannot.
    Prefer,
    /// Encrypt, and check the certificate with its name: what cannot be checked protects nobody.
    Require,
    /// Encrypt, and check by whom the certificate was issued, but not for which name.
    VerifyCa,
    /// The same as [`TlsMode::Require`], by its plain name.
    VerifyFull,
}

/// How long to wait for a server.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the connection.
    pub connect: Duration,
    /// For one statement.
    pub statement: Duration,
    /// How often it is asked again.
    pub retry: Retry,
}

impl Patience {
    /// For a hook, which everybody waits for.
    pub const HOOK: Self = Self {
        connect: Duration::from_secs(2),
        statement: Duration::from_secs(2),
        retry: Retry::NEVER,
    };

    /// For a command that somebody started.
    pub fn of_command(retry: Retry) -> Self {
        Self { connect: Duration::from_secs(10), statement: Duration::from_secs(300), retry }
    }
}

/// The parts of a server's URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub host: Host,
    /// The port, where it is given.
    pub port: Option<u16>,
    /// The user, where one is given.
    pub user: Option<String>,
    /// The password, where one is given.
    pub password: Option<String>,
    /// The database.
    pub database: String,
    /// How far encryption is insisted upon.
    pub tls: TlsMode,
    /// A file of certificates in PEM, of whoever may issue the server's.
    pub root_certificates: Option<PathBuf>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Takes a URL apart; the error is a clause without any secret.
    pub fn parse(url: &DatabaseUrl) -> Result<Self, String> {
        let malformed = |_| "it is not a valid URL".to_owned();
        let parsed = Url::parse(url.expose()).map_err(malformed)?;
        let decode = |text: &str, what: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(|text| text.into_owned()).map_err(|_| format!("its {what} is not UTF-8"))
        };
        let user = (!parsed.username().is_empty()).then_some(parsed.username());
        let mut server = Self {
            host: Host::Network(decode(parsed.host_str().unwrap_or_default(), "host")?),
            port: parsed.port(),
            user: user.map(|user| decode(user, "user")).transpose()?,
            password: parsed.password().map(|word| decode(word, "password")).transpose()?,
            database: decode(parsed.path().trim_start_matches('/'), "database")?,
            tls: TlsMode::Prefer,
            root_certificates: None,
        };
        for (name, value) in parsed.query_pairs() {
            server.set(&name, &value)?;
        }
        match &server.host {
            Host::Network(host) if host.is_empty() => Err("it names no host".to_owned()),
            _ if server.database.is_empty() => Err("it names no database".to_owned()),
            _ => Ok(server),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "sslmode" | "ssl-mode" | "ssl_mode" => {
                self.tls = tls_mode(value)
                    .ok_or("`sslmode` is disable, prefer, require, verify-ca or verify-full")?;
            }
            "sslrootcert" | "ssl-ca" | "ssl_ca" => self.root_certificates = Some(value.into()),
            "host" if value.starts_with('/') => self.host = Host::Socket(value.into()),
            "host" => self.host = Host::Network(value.to_owned()),
            "socket" | "unix_socket" => self.host = Host::Socket(value.into()),
            "port" => self.port = Some(value.parse().map_err(|_| "`port` is not a port")?),
            "user" => self.user = Some(value.to_owned()),
            "password" => self.password = Some(value.to_owned()),
            "dbname" => self.database = value.to_owned(),
            _ => {
                let known = "sslmode, sslrootcert, host, port, user, password, dbname, socket";
                return Err(format!("one of its parameters is none of {known}"));
            }
        }
        Ok(())
    }

    /// The host's name, or nothing for a socket.
    pub fn host_name(&self) -> &str {
        match &self.host {
            Host::Network(name) => name.trim_matches(['[', ']']),
            Host::Socket(_) => "",
        }
    }
}

/// PostgreSQL's and MySQL's words for it.
fn tls_mode(word: &str) -> Option<TlsMode> {
    Some(match word.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => TlsMode::Disable,
        "allow" | "prefer" | "preferred" => TlsMode::Prefer,
        "require" | "required" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" | "verify-identity" => TlsMode::VerifyFull,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Server, String> {
        Server::parse(&DatabaseUrl::new(text))
    }

    #[test]
    fn every_spelling() {
        let server = parse("postgresql://co%40dex:p%2Fw@db.example:6432/arch%20ive").unwrap();
        assert_eq!(server.host, Host::Network("db.example".to_owned()));
        assert_eq!((server.port, server.database.as_str()), (Some(6432), "arch ive"));
        assert_eq!(server.user.as_deref(), Some("co@dex"));
        assert_eq!(server.password.as_deref(), Some("p/w"));
        assert_eq!(server.tls, TlsMode::Prefer);

        let server = parse("postgres:///db?host=/run/postgresql&user=me").unwrap();
        assert_eq!(server.host, Host::Socket("/run/postgresql".into()));
        let server =
            parse("mysql://u@[::1]:3306/db?ssl-mode=VERIFY_IDENTITY&ssl-ca=/c.pem").unwrap();
        assert_eq!((server.host_name(), server.tls), ("::1", TlsMode::VerifyFull));
        assert_eq!(server.root_certificates, Some("/c.pem".into()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_its_secret() {
        for bad in [
            "postgres://u:s3cr@db",
            "postgres://u:s3cr@/db",
            "postgres://u:s3cr@db/x?sslmode=verify",
            "postgres://u:s3cr@db/x?ssl-mod=verify-full",
            "postgres://u:s3cr@db:port/x",
            "mysql://u:s3cr@db/x?port=x",
        ] {
            assert!(!parse(bad).unwrap_err().contains("s3cr"), "{bad}");
        }
        assert!(!format!("{:?}", parse("postgres://u:s3cr@db/x")).contains("s3cr"));
    }
}
