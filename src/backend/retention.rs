//! Runs of retention in the tables: what was looked for when, and how much was found.

use crate::error::Result;
use crate::model::{RetentionRun, RetentionScope};

use super::catalog::reserve;
use super::{Register, Row, Value};

/// A run of retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// What it did.
    pub mode: RetentionRun,
    /// When, RFC 3339.
    pub executed_at: String,
    /// What it was about.
    pub scope: RetentionScope,
    /// The project, or the repo label; `None` for all projects.
    pub project: Option<String>,
    /// How many candidates there were.
    pub total_candidates: u64,
    /// How many for which reason, as JSON.
    pub by_reason_json: String,
    /// The rules, as JSON.
    pub input_json: String,
    /// The first candidates' ids, as JSON.
    pub candidate_ids_json: String,
}

const AUDIT: &str = "SELECT mode, executed_at, scope, project, total_candidates, by_reason_json,
  input_json, candidate_ids_json FROM retention_audit_events";

impl Register<'_> {
    /// Writes a run.
    pub fn add_audit(&mut self, audit: &AuditRow) -> Result<()> {
        let id = reserve(self.driver, "retention_audit_events", 1)?;
        let sql = "INSERT INTO retention_audit_events (id, mode, executed_at, scope, project,
               total_candidates, by_reason_json, input_json, candidate_ids_json)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values = [
            id.into(),
            audit.mode.as_str().into(),
            audit.executed_at.as_str().into(),
            audit.scope.as_str().into(),
            audit.project.as_deref().into(),
            audit.total_candidates.into(),
            audit.by_reason_json.as_str().into(),
            audit.input_json.as_str().into(),
            audit.candidate_ids_json.as_str().into(),
        ];
        self.driver.execute(sql, &values).map(|_| ())
    }

    /// The runs about `scope` with the same rules for the same `project`, the newest first, at most
    /// `limit`.
    pub fn audits(
        &mut self,
        scope: RetentionScope,
        project: Option<&str>,
        input_json: &str,
        limit: u64,
    ) -> Result<Vec<AuditRow>> {
        let mut values: Vec<Value> = vec![scope.as_str().into(), input_json.into()];
        let condition = match project {
            Some(project) => {
                values.push(project.into());
                "project = ?"
            }
            None => "project IS NULL",
        };
        let sql = format!(
            "{AUDIT} WHERE scope = ? AND input_json = ? AND {condition}
             ORDER BY executed_at DESC, id DESC LIMIT {limit}"
        );
        self.driver.query(&sql, &values)?.iter().map(audit_of).collect()
    }

    /// The runs behind the row `after`, at most `limit`, each with its row.
    pub fn audit_rows(&mut self, after: i64, limit: u64) -> Result<Vec<(i64, AuditRow)>> {
        let sql = AUDIT.replacen(" FROM ", ", id FROM ", 1);
        let sql = format!("{sql} WHERE id > ? ORDER BY id LIMIT {limit}");
        let rows = self.driver.query(&sql, &[after.into()])?;
        rows.iter().map(|row| Ok((row.int(8)?, audit_of(row)?))).collect()
    }

    /// Whether just this run is known.
    pub fn has_audit(&mut self, audit: &AuditRow) -> Result<bool> {
        let sql = format!("{AUDIT} WHERE executed_at = ? ORDER BY id");
        let rows = self.driver.query(&sql, &[audit.executed_at.as_str().into()])?;
        let known = rows.iter().map(audit_of).collect::<Result<Vec<_>>>()?;
        Ok(known.contains(audit))
    }

    /// The dry runs of one moment.
    pub fn dry_runs_at(&mut self, executed_at: &str) -> Result<Vec<AuditRow>> {
        let sql = format!("{AUDIT} WHERE executed_at = ? AND mode = 'dry-run' ORDER BY id");
        self.driver.query(&sql, &[executed_at.into()])?.iter().map(audit_of).collect()
    }
}

fn audit_of(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        mode: row.text(0)?.parse()?,
        executed_at: row.text(1)?.to_owned(),
        scope: row.text(2)?.parse()?,
        project: row.text_or_null(3)?.map(str::to_owned),
        total_candidates: row.unsigned(4)?,
        by_reason_json: row.text(5)?.to_owned(),
        input_json: row.text(6)?.to_owned(),
        candidate_ids_json: row.text(7)?.to_owned(),
    })
}
