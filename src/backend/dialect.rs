//! The few places where databases speak differently; everything else is one text.

/// A database's way of speaking SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, embedded.
    Sqlite,
}

impl Dialect {
    /// The dialect called `name` on the command line.
    pub fn named(name: &str) -> Option<Self> {
        (name == "sqlite").then_some(Self::Sqlite)
    }

    /// Fills the placeholders of a migration step: `{id}` a row number as primary key, `{blob}`
    /// bytes, `{text}` text of any length, `{key}` text that an index can hold, `{table}` what
    /// follows a table's closing bracket, `{clustered}` the same for a table that is read in the
    /// order of its key, `{hex:x}` the digits of bytes, `{uuid:x}` the text of an id,
    /// `{object:k,v}` a JSON object gathered out of rows.
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
        match (self, name) {
            (Self::Sqlite, "id") => "INTEGER PRIMARY KEY".to_owned(),
            (Self::Sqlite, "blob") => "BLOB".to_owned(),
            (Self::Sqlite, "text" | "key") => "TEXT".to_owned(),
            (Self::Sqlite, "clustered") => " WITHOUT ROWID".to_owned(),
            (Self::Sqlite, "hex") => format!("lower(hex({argument}))"),
            (Self::Sqlite, "uuid") => sqlite_uuid(argument),
            (Self::Sqlite, "object") => format!("json_group_object({argument})"),
            (Self::Sqlite, _) => String::new(),
        }
    }
}

fn sqlite_uuid(column: &str) -> String {
    let part = |from, len| format!("substr(lower(hex({column})),{from},{len})");
    [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join("||'-'||")
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
