//! What a backend URL says: which backend, which file, and whether a password is left out.
//!
//! Promises: a URL that this module accepts is redacted rightly by its type; one that it refuses
//! is not repeated in the error, since its secret part cannot be told from the rest.

use crate::secret::DatabaseUrl;

use super::BackendKind;

/// The backend of a scheme.
pub fn backend_of(scheme: &str) -> Option<BackendKind> {
    match scheme {
        "sqlite" => Some(BackendKind::Sqlite),
        "postgres" | "postgresql" => Some(BackendKind::Postgres),
        "mysql" | "mariadb" => Some(BackendKind::Mariadb),
        _ => None,
    }
}

/// Whether `text` is a URL that can be used; the error is a clause without any secret.
pub fn check(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it is no URL: a scheme and `://` must come first".to_owned());
    };
    match backend_of(scheme) {
        Some(BackendKind::Sqlite) => sqlite_path(&DatabaseUrl::new(text)).map(|_| ()),
        Some(_) => check_server(rest),
        // Before `://` there may be anything when the URL is malformed, a password included.
        None => {
            Err("its scheme is none of sqlite, postgres, postgresql, mysql, mariadb".to_owned())
        }
    }
}

fn check_server(rest: &str) -> Result<(), String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.is_empty() && !tail.contains("host=") {
        return Err("it names no host".to_owned());
    }
    // `user:password` without a host would be shown as if it were `host:port`.
    let port = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    if port.is_some_and(|(_, port)| !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err("its port is no number".to_owned());
    }
    // `user:pa/ss@host`: the slash ends the host for every reader of URLs, and what follows it
    // would be shown as if it were a path.
    let path = tail.split('?').next().unwrap_or(tail);
    let cut = authority.contains(':') && !authority.contains('@') && tail.contains('@');
    if path.contains('@') || cut {
        return Err("a `/`, `?` or `#` in its password must be written %2F, %3F or %23".to_owned());
    }
    Ok(())
}

/// The path of an SQLite URL: `/abs` or `rel`; the error is a clause.
pub fn sqlite_path(url: &DatabaseUrl) -> Result<&str, String> {
    let rest = url.expose().strip_prefix("sqlite://").unwrap_or_default();
    // Three slashes, then a relative path; a fourth makes it absolute.
    let Some(path) = rest.strip_prefix('/') else {
        return Err("an SQLite URL is sqlite:///RELATIVE or sqlite:////ABSOLUTE".to_owned());
    };
    if path.contains('?') {
        return Err("an SQLite URL takes no parameters".to_owned());
    }
    // What SQLite keeps in memory would be gone with the command that archived it.
    if path == ":memory:" || path.starts_with("file:") {
        return Err("an archive must be a file".to_owned());
    }
    if path.is_empty() || path.ends_with('/') || matches!(path.rsplit('/').next(), Some("." | ".."))
    {
        return Err("it names no file".to_owned());
    }
    Ok(path)
}

/// Whether the password is the placeholder `***`.
pub fn lacks_password(url: &DatabaseUrl) -> bool {
    password_of(url) == Some("***")
}

/// Whether there is a password in it that must not be written where others read it.
pub fn has_password(url: &DatabaseUrl) -> bool {
    let query = url.expose().split_once('?').map_or("", |(_, query)| query);
    let in_query = query.split('&').any(|pair| pair.starts_with("password="));
    in_query || password_of(url).is_some_and(|password| !matches!(password, "" | "***"))
}

fn password_of(url: &DatabaseUrl) -> Option<&str> {
    let (scheme, rest) = url.expose().split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (user, _) = authority.rsplit_once('@').filter(|_| scheme != "sqlite")?;
    user.split_once(':').map(|(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_paths() {
        let path = |text: &str| sqlite_path(&DatabaseUrl::new(text)).map(str::to_owned).ok();
        assert_eq!(path("sqlite:///./a/b.sqlite").as_deref(), Some("./a/b.sqlite"));
        assert_eq!(path("sqlite:////var/b.sqlite").as_deref(), Some("/var/b.sqlite"));
        for bad in [
            "sqlite://",
            "sqlite:///",
            "sqlite://host/x",
            "sqlite:///:memory:",
            "sqlite:///a/",
            "sqlite:///a?mode=memory",
            "sqlite:///file:x",
            "sqlite:///a/..",
            "sqlite:///.",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn servers() {
        for good in [
            "postgres://user@db/archive",
            "postgresql://codex:***@archive-prod/db",
            "mysql://u:p%2Fw@[::1]:3306/db?ssl-mode=REQUIRED",
            "postgres:///db?host=/run/postgresql",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "postgres://u:s3cr/et@db/x",
            "postgres://u:s3cr?et@db/x",
            "mysql:///x",
            "postgres://u:s3cr",
            "postgres://u:s3cr/x",
            "odbc://s3cr",
            "s3cr",
        ] {
            assert!(!check(bad).unwrap_err().contains("s3cr"), "{bad}");
        }
    }

    #[test]
    fn the_placeholder_is_seen() {
        let lacks = |text: &str| lacks_password(&DatabaseUrl::new(text));
        let has = |text: &str| has_password(&DatabaseUrl::new(text));
        assert!(has("postgres://u:p@h/db") && has("mysql://u@h/db?ssl-mode=prefer&password=p"));
        assert!(
            !has("postgres://u:***@h/db") && !has("postgres://u@h/db") && !has("sqlite:////a:b@c")
        );
        assert!(lacks("postgresql://codex:***@archive-prod/db"));
        assert!(!lacks("postgresql://codex:x***@archive-prod/db"));
        assert!(!lacks("postgresql://codex@archive-prod/***"));
    }
}
