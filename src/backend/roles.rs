//! Least-privilege roles for an archive on a server, as SQL for its administrator.
//!
//! A reader reads. A writer archives, restores and records, and can neither change nor take away
//! evidence or bytes. A steward may also erase, end holds and adopt a policy. None of them changes the schema.

use super::Dialect;

/// A table, and what a writer may do there beside reading and adding.
struct Rights {
    table: &'static str,
    /// Whether a writer may add rows.
    writer_adds: bool,
    /// Columns that a writer may change.
    writer_updates: &'static str,
    /// Whether a writer may take rows away.
    writer_removes: bool,
}

const fn adds(table: &'static str, writer_updates: &'static str) -> Rights {
    Rights { table, writer_adds: true, writer_updates, writer_removes: false }
}

const fn stewards(table: &'static str) -> Rights {
    Rights { table, writer_adds: false, writer_updates: "", writer_removes: false }
}

const TABLES: &[Rights] = &[
    // Nobody but the owner of the schema says that a step was taken.
    adds("schema_migrations", ""),
    adds("meta", ""),
    adds("counter", "next"),
    adds("run", ""),
    adds("run_piece", ""),
    Rights { writer_removes: true, ..adds("upload", "") },
    adds("batch", ""),
    adds("artifact_row", ""),
    adds(
        "item_row",
        "batch_id, artifact_id, git_blob, mode, kind, language, restricted, \
                         delete_after, restored_at, hidden",
    ),
    adds("tag", ""),
    adds("metadata", "v"),
    adds("log", "head_seq, head_digest, home"),
    adds("evidence_block", ""),
    adds("evidence", ""),
    adds("evidence_writer", ""),
    adds("evidence_signature", ""),
    adds("evidence_checkpoint", ""),
    adds("request", "expires_at, state"),
    adds("approval", "used_at"),
    adds("hold", ""),
    adds("hold_item", ""),
    adds("retention_audit_events", ""),
    adds("project", ""),
    adds("entry", "type, title, body, source, session, content_sha256, updated_at"),
    adds("entry_tag", ""),
    adds("entry_metadata", "v"),
    // Rules, and what was destroyed under them.
    stewards("policy"),
    stewards("item_purge"),
    stewards("purge_ledger"),
];

const VIEWS: &[&str] = &["artifact", "item"];

const READER: &str = "codex_archive_reader";
const WRITER: &str = "codex_archive_writer";
const STEWARD: &str = "codex_archive_steward";

/// The roles and their grants; empty for an embedded archive, whose rights are those of its file.
pub fn roles_text(dialect: Dialect) -> String {
    let head = match dialect {
        Dialect::Sqlite => return String::new(),
        Dialect::Postgres => {
            "-- Roles. To let somebody in:  GRANT codex_archive_writer TO alice;\n".to_owned()
        }
        Dialect::Mariadb | Dialect::Mysql => format!(
            "-- Roles. To let somebody in:  GRANT codex_archive_writer TO alice;\n\
             --                            SET DEFAULT ROLE codex_archive_writer {} alice;\n",
            if dialect == Dialect::Mysql { "TO" } else { "FOR" }
        ),
    };
    let mut out = head;
    for role in [READER, WRITER, STEWARD] {
        out.push_str(&create(dialect, role));
    }
    if dialect == Dialect::Postgres {
        // Where everybody may make tables, somebody's could stand before ours.
        out.push_str("REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n");
        out.push_str(&format!("GRANT USAGE ON SCHEMA public TO {READER}, {WRITER}, {STEWARD};\n"));
    }
    for name in TABLES.iter().map(|it| it.table).chain(VIEWS.iter().copied()) {
        for role in [READER, WRITER, STEWARD] {
            out.push_str(&format!("GRANT SELECT ON {name} TO {role};\n"));
        }
    }
    let changed = TABLES.iter().filter(|it| it.table != LOCK_TABLE);
    for Rights { table, writer_adds, writer_updates, writer_removes } in changed {
        if *writer_adds {
            out.push_str(&format!("GRANT INSERT ON {table} TO {WRITER};\n"));
        }
        if !writer_updates.is_empty() {
            out.push_str(&format!("GRANT UPDATE ({writer_updates}) ON {table} TO {WRITER};\n"));
        }
        if *writer_removes {
            out.push_str(&format!("GRANT DELETE ON {table} TO {WRITER};\n"));
        }
        out.push_str(&format!("GRANT INSERT, UPDATE, DELETE ON {table} TO {STEWARD};\n"));
    }
    if dialect == Dialect::Mysql {
        // Who locks a row there must be let change something of it: the time of a step says least.
        for role in [WRITER, STEWARD] {
            out.push_str(&format!("GRANT UPDATE (applied_at) ON {LOCK_TABLE} TO {role};\n"));
        }
    }
    out
}

/// The table of which writers lock a row, and which they do not change.
const LOCK_TABLE: &str = "schema_migrations";

fn create(dialect: Dialect, role: &str) -> String {
    match dialect {
        Dialect::Postgres => format!(
            "DO $$ BEGIN CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n"
        ),
        _ => format!("CREATE ROLE IF NOT EXISTS {role};\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::migrate::{MIGRATIONS, Migration};
    use super::*;

    #[test]
    fn every_table_and_view_has_its_rights() {
        for migration in MIGRATIONS {
            let Migration { version, name, text, .. } = *migration;
            // What an embedded archive alone has is nobody's on a server.
            let shared = Migration { version, name, text, sqlite: "" };
            for statement in shared.statements(Dialect::Sqlite) {
                if statement.starts_with("DROP ") {
                    continue;
                }
                let mut words = statement.split_whitespace();
                let kind = words.nth(1).unwrap_or_default();
                let name = words.nth(3).unwrap_or_default();
                match kind {
                    "TABLE" => assert!(TABLES.iter().any(|it| it.table == name), "{name}"),
                    "VIEW" => assert!(VIEWS.contains(&name), "{name}"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_writer_takes_nothing_away() {
        for dialect in [Dialect::Postgres, Dialect::Mariadb] {
            let text = roles_text(dialect);
            let of_writer = text.lines().filter(|line| line.ends_with("TO codex_archive_writer;"));
            assert!(of_writer.clone().count() > 20, "{text}");
            let takes_away = |line: &str| line.contains("DELETE") && !line.contains(" ON upload ");
            assert!(!of_writer.clone().any(takes_away));
            for kept in ["evidence", "evidence_block", "run", "run_piece", "artifact_row"] {
                let changes = format!(" ON {kept} ");
                assert!(
                    !of_writer
                        .clone()
                        .any(|line| line.contains("UPDATE") && line.contains(&changes)),
                    "{kept}"
                );
            }
        }
    }
}
