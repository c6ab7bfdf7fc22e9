//! Values that must not be shown, redacted by their type.

use std::fmt;

/// The URL of an archive. `Display` and `Debug` show it without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL `text`, as given.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole URL, for the driver alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part before `://`.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(&self.0);
        };
        // Query parameters may hold keys and passwords too; a file has neither them nor a fragment.
        let (rest, query) = match rest.find(['?', '#']).filter(|_| scheme != "sqlite") {
            Some(at) if rest.as_bytes()[at] == b'#' => (&rest[..at], "#***"),
            Some(at) => (&rest[..at], "?***"),
            None => (rest, ""),
        };
        // A file has no user. Elsewhere the user part ends at the last `@`: a password may hold an
        // `@` itself and, written carelessly, a slash.
        match rest.rsplit_once('@').filter(|_| scheme != "sqlite") {
            Some((user, host)) => {
                let user =
                    user.split_once(':').map_or(user.to_owned(), |(u, _)| format!("{u}:***"));
                write!(f, "{scheme}://{user}@{host}{query}")
            }
            None => write!(f, "{scheme}://{rest}{query}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://app:pa:s@w@db/x", "postgres://app:***@db/x"),
            ("postgres://app:pa/ss@db/x", "postgres://app:***@db/x"),
            ("sqlite:////srv/a@b/c:d.sqlite", "sqlite:////srv/a@b/c:d.sqlite"),
            ("postgres://app@db/x?password=s", "postgres://app@db/x?***"),
            ("postgres://app:p@db/x#s", "postgres://app:***@db/x#***"),
            ("sqlite:////srv/a?b#c.sqlite", "sqlite:////srv/a?b#c.sqlite"),
            ("sqlite:///./.codex/archive.sqlite", "sqlite:///./.codex/archive.sqlite"),
        ] {
            assert_eq!(DatabaseUrl::new(url).to_string(), shown);
            assert_eq!(format!("{:?}", DatabaseUrl::new(url)), format!("DatabaseUrl({shown})"));
        }
    }
}
