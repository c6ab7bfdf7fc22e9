//! Requests, approvals and policies in the tables.

use crate::error::{Error, Result};
use crate::model::{Approval, DeedId, GovernedAction, Request};

use super::catalog::reserve;
use super::{Driver, Row, Value};

/// A policy as it was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its number, from 1.
    pub version: u64,
    /// The rules, in their one spelling.
    pub toml: String,
    /// The signers, line by line.
    pub signers: String,
    /// Who approved it, as a JSON array.
    pub approved_by: String,
    /// When, RFC 3339.
    pub at: String,
}

/// The tables of requests, approvals and policies.
pub struct Register<'a> {
    pub(super) driver: &'a mut dyn Driver,
}

const REQUEST: &str = "SELECT id, deed, action, subject, repo, item_id, requested_by, reason,
  policy_version, at, expires_at, state FROM request";

impl<'a> Register<'a> {
    /// The register behind `driver`.
    pub fn new(driver: &'a mut dyn Driver) -> Self {
        Self { driver }
    }

    /// Writes a request; its row.
    pub fn add_request(&mut self, request: &Request) -> Result<i64> {
        let id = reserve(self.driver, "request", 1)?;
        self.driver.execute(
            "INSERT INTO request (id, deed, action, subject, repo, item_id, requested_by, reason,
               policy_version, at, expires_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                id.into(),
                request.deed.as_bytes().as_slice().into(),
                request.action.as_str().into(),
                request.subject.as_str().into(),
                request.repo.as_str().into(),
                request.item.map_or(Value::Null, Value::from),
                request.requested_by.as_str().into(),
                request.reason.as_str().into(),
                request.policy_version.into(),
                request.at.as_str().into(),
                request.expires_at.as_str().into(),
                request.state.as_str().into(),
            ],
        )?;
        Ok(id)
    }

    /// The open request for `action` on `subject`, if there is one.
    pub fn open_request(
        &mut self,
        action: GovernedAction,
        subject: &str,
    ) -> Result<Option<Request>> {
        let sql = format!(
            "{REQUEST} WHERE subject = ? AND action = ? AND state = 'open' ORDER BY id LIMIT 1"
        );
        let rows = self.driver.query(&sql, &[subject.into(), action.as_str().into()])?;
        rows.first().map(request_of).transpose()
    }

    /// The newest request for `action` on `subject`, whatever its state.
    pub fn newest_request(
        &mut self,
        action: GovernedAction,
        subject: &str,
    ) -> Result<Option<Request>> {
        let sql = format!("{REQUEST} WHERE subject = ? AND action = ? ORDER BY id DESC LIMIT 1");
        let rows = self.driver.query(&sql, &[subject.into(), action.as_str().into()])?;
        rows.first().map(request_of).transpose()
    }

    /// The request with this id.
    pub fn request(&mut self, deed: &DeedId) -> Result<Option<Request>> {
        let sql = format!("{REQUEST} WHERE deed = ?");
        let rows = self.driver.query(&sql, &[deed.as_bytes().as_slice().into()])?;
        rows.first().map(request_of).transpose()
    }

    /// Requests, newest first; only open ones unless `all`.
    pub fn requests(&mut self, all: bool) -> Result<Vec<Request>> {
        let condition = if all { "" } else { " WHERE state = 'open'" };
        let sql = format!("{REQUEST}{condition} ORDER BY id DESC");
        self.driver.query(&sql, &[])?.iter().map(request_of).collect()
    }

    /// Moves an open request to another state; whether it was open.
    pub fn close_request(&mut self, row: i64, state: &str) -> Result<bool> {
        let sql = "UPDATE request SET state = ? WHERE id = ? AND state = 'open'";
        Ok(self.driver.execute(sql, &[state.into(), row.into()])? == 1)
    }

    /// Gives an open request a new end.
    pub fn renew_request(&mut self, row: i64, expires_at: &str) -> Result<()> {
        let sql = "UPDATE request SET expires_at = ? WHERE id = ? AND state = 'open'";
        self.driver.execute(sql, &[expires_at.into(), row.into()]).map(|_| ())
    }

    /// Writes an approval of a request; its row.
    pub fn add_approval(&mut self, request: i64, approval: &Approval) -> Result<i64> {
        let id = reserve(self.driver, "approval", 1)?;
        let observed = serde_json::to_string(&approval.observed).unwrap_or_default();
        self.driver.execute(
            "INSERT INTO approval (id, request_id, actor, observed, assurance, fingerprint,
               signature, at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                id.into(),
                request.into(),
                approval.actor.as_str().into(),
                observed.into(),
                approval.assurance.as_str().into(),
                approval.fingerprint.as_deref().into(),
                approval.signature.as_deref().into(),
                approval.at.as_str().into(),
                approval.expires_at.as_str().into(),
            ],
        )?;
        Ok(id)
    }

    /// The approvals of a request, in the order in which they came.
    pub fn approvals(&mut self, request: i64) -> Result<Vec<Approval>> {
        let sql = "SELECT id, actor, observed, assurance, fingerprint, signature, at, expires_at,
                     used_at FROM approval WHERE request_id = ? ORDER BY id";
        self.driver.query(sql, &[request.into()])?.iter().map(approval_of).collect()
    }

    /// Uses an approval up; whether it was unused.
    pub fn use_approval(&mut self, row: i64, at: &str) -> Result<bool> {
        let sql = "UPDATE approval SET used_at = ? WHERE id = ? AND used_at IS NULL";
        Ok(self.driver.execute(sql, &[at.into(), row.into()])? == 1)
    }

    /// The policy in force; `None` before the first was adopted.
    pub fn policy(&mut self) -> Result<Option<PolicyRow>> {
        let sql = "SELECT version, toml, signers, approved_by, at FROM policy
                   ORDER BY version DESC LIMIT 1";
        let rows = self.driver.query(sql, &[])?;
        rows.first().map(policy_of).transpose()
    }

    /// Every policy, the oldest first.
    pub fn policies(&mut self) -> Result<Vec<PolicyRow>> {
        let sql = "SELECT version, toml, signers, approved_by, at FROM policy ORDER BY version";
        self.driver.query(sql, &[])?.iter().map(policy_of).collect()
    }

    /// Writes a policy. Its version is a key: of two who adopt at once, one fails.
    pub fn add_policy(&mut self, policy: &PolicyRow) -> Result<()> {
        let sql = "INSERT INTO policy (version, toml, signers, approved_by, at)
                   VALUES (?, ?, ?, ?, ?)";
        let values = [
            policy.version.into(),
            policy.toml.as_str().into(),
            policy.signers.as_str().into(),
            policy.approved_by.as_str().into(),
            policy.at.as_str().into(),
        ];
        self.driver.execute(sql, &values).map(|_| ())
    }
}

fn request_of(row: &Row) -> Result<Request> {
    let damaged = || Error::damaged("request", "a row", "its id is none");
    Ok(Request {
        row_id: row.int(0)?,
        deed: DeedId::from_slice(row.bytes(1)?).ok_or_else(damaged)?,
        action: row.text(2)?.parse()?,
        subject: row.text(3)?.to_owned(),
        repo: row.text(4)?.to_owned(),
        item: row.int_or_null(5)?,
        requested_by: row.text(6)?.to_owned(),
        reason: row.text(7)?.to_owned(),
        policy_version: row.unsigned(8)?,
        at: row.text(9)?.to_owned(),
        expires_at: row.text(10)?.to_owned(),
        state: row.text(11)?.parse()?,
    })
}

fn approval_of(row: &Row) -> Result<Approval> {
    Ok(Approval {
        row_id: row.int(0)?,
        actor: row.text(1)?.to_owned(),
        observed: serde_json::from_str(row.text(2)?).unwrap_or_default(),
        assurance: row.text(3)?.parse()?,
        fingerprint: row.text_or_null(4)?.map(str::to_owned),
        signature: row.text_or_null(5)?.map(str::to_owned),
        at: row.text(6)?.to_owned(),
        expires_at: row.text(7)?.to_owned(),
        used_at: row.text_or_null(8)?.map(str::to_owned),
    })
}

fn policy_of(row: &Row) -> Result<PolicyRow> {
    Ok(PolicyRow {
        version: row.unsigned(0)?,
        toml: row.text(1)?.to_owned(),
        signers: row.text(2)?.to_owned(),
        approved_by: row.text(3)?.to_owned(),
        at: row.text(4)?.to_owned(),
    })
}
