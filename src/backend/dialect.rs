//! The few places where databases speak differently; everything else is one text.

/// A database's way of speaking SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL, and what speaks like it.
    Postgres,
    /// MariaDB.
    Mariadb,
    /// MySQL, which MariaDB came from.
    Mysql,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::Postgres, Self::Mariadb, Self::Mysql];

    /// The dialect called `name` on the command line.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
        }
    }

    /// Fills the placeholders of a migration step: `{id}` a row number as primary key, `{blob}`
    /// bytes of any length, `{digest}` at most 32 bytes, which an index can hold, `{text}` text of
    /// any length, `{key}` text that an index can hold, `{table}` what follows a table's closing
    /// bracket, `{clustered}` the same for a table that is read in the order of its key, `{view}`
    /// the beginning of a view, `{drop_view:v}` what takes away a view where it cannot be replaced,
    /// `{then}` the end of a statement in a trigger, `{hex:x}` the digits of bytes, `{uuid:x}` the text of an id,
    /// `{object:k,v}` a JSON object gathered out of rows, `{start:x}` the beginning of a long text
    /// as an index has it, `{bytes:x}` the bytes of hex digits, `{now}` the time as we write it,
    /// `{on:t}` the table of an index that goes, where that must be named.
    pub fn render(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            let close = rest[open..].find('}').map_or(rest.len(), |at| open + at);
            out.push_str(&self.fill(&rest[open + 1..close]));
            rest = rest.get(close + 1..).unwrap_or("");
        }
        out.push_str(rest);
        out
    }

    fn fill(self, placeholder: &str) -> String {
        let (name, argument) = placeholder.split_once(':').unwrap_or((placeholder, ""));
        match self {
            Self::Sqlite => match name {
                "id" => "INTEGER PRIMARY KEY".to_owned(),
                "blob" | "digest" => "BLOB".to_owned(),
                "text" | "key" => "TEXT".to_owned(),
                "clustered" => " WITHOUT ROWID".to_owned(),
                "view" => "CREATE VIEW IF NOT EXISTS".to_owned(),
                "drop_view" => format!("DROP VIEW IF EXISTS {argument}"),
                "then" => ";".to_owned(),
                "hex" => format!("lower(hex({argument}))"),
                "uuid" => groups(&format!("lower(hex({argument}))")).join("||'-'||"),
                "object" => format!("json_group_object({argument})"),
                "start" => start_of(argument),
                "bytes" => format!("X'{argument}'"),
                "now" => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')".to_owned(),
                _ => String::new(),
            },
            Self::Postgres => match name {
                "id" => "BIGINT PRIMARY KEY".to_owned(),
                "blob" | "digest" => "BYTEA".to_owned(),
                // Paths are compared byte by byte, whatever the database's locale.
                "text" | "key" => "TEXT COLLATE \"C\"".to_owned(),
                "view" => "CREATE OR REPLACE VIEW".to_owned(),
                "hex" => format!("encode({argument}, 'hex')"),
                "uuid" => groups(&format!("encode({argument}, 'hex')")).join("||'-'||"),
                "object" => format!("COALESCE(json_object_agg({argument})::text, '{{}}')"),
                "start" => format!("({})", start_of(argument)),
                "bytes" => format!("decode('{argument}', 'hex')"),
                "now" => "to_char(clock_timestamp() AT TIME ZONE 'UTC',                           'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
                    .to_owned(),
                _ => String::new(),
            },
            Self::Mariadb | Self::Mysql => match name {
                "id" => "BIGINT NOT NULL PRIMARY KEY".to_owned(),
                "blob" => "LONGBLOB".to_owned(),
                "digest" => "VARBINARY(32)".to_owned(),
                "text" => "LONGTEXT".to_owned(),
                "key" => format!("VARCHAR({MARIADB_KEY_CHARACTERS})"),
                "table" | "clustered" => {
                    format!(" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={}", self.collation())
                }
                "view" => "CREATE OR REPLACE VIEW".to_owned(),
                "hex" => format!("lower(hex({argument}))"),
                // `||` is a logical operator there.
                "uuid" => {
                    let groups = groups(&format!("lower(hex({argument}))"));
                    format!("concat_ws('-',{})", groups.join(","))
                }
                "object" => format!("COALESCE(JSON_OBJECTAGG({argument}), '{{}}')"),
                "start" => format!("{argument}({START_CHARACTERS})"),
                "bytes" => format!("X'{argument}'"),
                "now" => "concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')"
                    .to_owned(),
                "on" => format!(" ON {argument}"),
                _ => String::new(),
            },
        }
    }

    /// `sql` with its `?` as this dialect writes parameters. No text of ours holds a `?` that is
    /// none.
    pub fn parameters(self, sql: &str) -> String {
        if self != Self::Postgres {
            return sql.to_owned();
        }
        let mut out = String::with_capacity(sql.len() + 16);
        let mut n = 0;
        for character in sql.chars() {
            if character == '?' {
                n += 1;
                out.push('$');
                out.push_str(&n.to_string());
            } else {
                out.push(character);
            }
        }
        out
    }

    /// What stands before the schema where it is printed.
    pub(super) fn preamble(self) -> String {
        match self {
            // By it an archive is told from a database of something else.
            Self::Sqlite => format!("PRAGMA application_id = {SQLITE_APPLICATION_ID};\n\n"),
            Self::Postgres | Self::Mariadb | Self::Mysql => String::new(),
        }
    }

    /// The queries that take and release the lock of whoever changes the schema, where that is not
    /// part of a transaction: MariaDB ends one with every statement that makes a table.
    pub(super) fn migration_lock(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Sqlite | Self::Postgres => None,
            Self::Mariadb | Self::Mysql => Some((
                "SELECT GET_LOCK(concat('codex-archive ', DATABASE()), 60)",
                "SELECT RELEASE_LOCK(concat('codex-archive ', DATABASE()))",
            )),
        }
    }

    /// A query for the number of tables of this name that a connection sees.
    pub(super) fn table_count(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = ?",
            Self::Postgres => {
                "SELECT COUNT(*) FROM information_schema.tables
                 WHERE table_schema = current_schema() AND table_name = ?"
            }
            Self::Mariadb | Self::Mysql => {
                "SELECT COUNT(*) FROM information_schema.tables
                 WHERE table_schema = DATABASE() AND table_name = ?"
            }
        }
    }

    /// The beginning of the text in `column`, as the index on it has it.
    pub(super) fn start(self, column: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => start_of(column),
            // There the index is of the column itself.
            Self::Mariadb | Self::Mysql => column.to_owned(),
        }
    }

    /// The beginning of `text`, to be compared with [`Dialect::start`].
    pub(super) fn start_key(self, text: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => text.chars().take(START_CHARACTERS).collect(),
            Self::Mariadb | Self::Mysql => text.to_owned(),
        }
    }

    /// `expression`, a sum, as a 64-bit integer: servers add up in wider types.
    pub(super) fn integer(self, expression: &str) -> String {
        match self {
            Self::Sqlite => expression.to_owned(),
            Self::Postgres => format!("CAST({expression} AS BIGINT)"),
            Self::Mariadb | Self::Mysql => format!("CAST({expression} AS SIGNED)"),
        }
    }

    /// Compares byte by byte, spaces at the end too: elsewhere `a` and `a ` would be one path.
    fn collation(self) -> &'static str {
        if self == Self::Mysql { "utf8mb4_0900_bin" } else { "utf8mb4_nopad_bin" }
    }

    /// `statement` of a migration as what this database can take again and again: MySQL has no
    /// `IF [NOT] EXISTS` for an index, so that it is asked there whether the index is known.
    pub(super) fn repeatable(self, statement: String) -> Vec<String> {
        if self != Self::Mysql {
            return vec![statement];
        }
        let (Some((verb, rest)), wanted) = (match statement.split_once(" IF NOT EXISTS ") {
            Some(parts) => (Some(parts), 0),
            None => (statement.split_once(" IF EXISTS "), 1),
        }) else {
            return vec![statement];
        };
        let mut words = rest.split([' ', '(']).filter(|it| !it.is_empty());
        let (name, Some("ON"), Some(table)) =
            (words.next().unwrap_or_default(), words.next(), words.next())
        else {
            return vec![statement];
        };
        let ask = format!(
            "SET @statement = (SELECT IF(COUNT(DISTINCT index_name) = {wanted}, '{verb} {rest}', 'DO 0')
  FROM information_schema.statistics
  WHERE table_schema = DATABASE() AND table_name = '{table}' AND index_name = '{name}')"
        );
        let run = ["PREPARE step FROM @statement", "EXECUTE step", "DEALLOCATE PREPARE step"];
        [ask].into_iter().chain(run.map(str::to_owned)).collect()
    }
}

/// `codxarch` as SQLite's application id, cut to its 31 bits.
pub(super) const SQLITE_APPLICATION_ID: i64 = 0x636f_6478;

/// Characters of text in an index: four bytes each, of InnoDB's 3,072.
const MARIADB_KEY_CHARACTERS: u32 = 512;

/// Characters of a long text that an index holds: PostgreSQL's rows of an index have 2,704 bytes.
const START_CHARACTERS: usize = 200;

fn start_of(column: &str) -> String {
    format!("substr({column}, 1, {START_CHARACTERS})")
}

/// The groups of a UUID, out of an expression for its 32 hex digits.
fn groups(hex: &str) -> [String; 5] {
    let part = |from: u8, len: u8| format!("substr({hex},{from},{len})");
    [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let text = Dialect::Sqlite.render("a {id}, b {blob}){table} x {hex:c}");
        assert_eq!(text, "a INTEGER PRIMARY KEY, b BLOB) x lower(hex(c))");
    }
}
