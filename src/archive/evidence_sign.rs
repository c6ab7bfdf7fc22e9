//! `evidence sign`: gives the tree's segments, and the ends of this archive's logs, the signatures
//! that they lack.

use serde::Serialize;

use crate::error::Result;
use crate::evidence::{Segment, statement, statement_of_last};
use crate::model::RepoPath;
use crate::policy::NAMESPACE;
use crate::policy::signature::made_by;

use super::{Archive, Workspace, recovery, segments, sign, tree};

/// What was signed.
#[derive(Debug, Default, Serialize)]
pub struct SignReport {
    /// Segments with a new signature, staged.
    pub signed: Vec<String>,
    /// Segments whose signature the archive had; staged again.
    pub put_back: Vec<String>,
    /// Segments of other archives without a signature: theirs to sign.
    pub of_others: Vec<String>,
    /// Logs whose last record has a new signature, which covers all before it.
    pub logs: Vec<String>,
    /// The key that signed, as `SHA256:…`; `None` where nothing was to sign.
    pub key_fingerprint: Option<String>,
}

/// Signs the segments in the index that have no signature of their own and whose records this
/// archive has. The signature says that whoever makes it stands for the record, now; the record's
/// actor stays who it was.
pub fn sign_segments(workspace: &Workspace) -> Result<SignReport> {
    let repository = workspace.repository("sign")?;
    let lock = workspace.lock()?;
    recovery::recover(workspace)?;
    let mut archive = Archive::create(workspace)?;
    tree::check_index_free(repository)?;
    let mut report = SignReport::default();
    let (segments, _) = segments::in_index(repository)?;
    let own = archive.own_logs()?;
    for segment in segments {
        if segment.signature.as_deref().is_some_and(|armored| is_over(&segment, armored)) {
            continue;
        }
        let path = segment.path.to_string();
        let Some((last, digest)) = segment.lines.last() else { continue };
        let known = archive.ledger().digest_at(&last.log, last.seq)?;
        if !own.contains(&last.log) || known.is_none_or(|(_, known)| known != *digest) {
            report.of_others.push(path);
            continue;
        }
        let (log, seq) = (last.log, last.seq);
        let kept = archive.ledger().signature_of(&log, seq)?;
        let armored = match kept.filter(|armored| is_over(&segment, armored)) {
            Some(armored) => {
                report.put_back.push(path);
                armored
            }
            None => {
                let statement = statement_of_last(&segment.lines).unwrap_or_default();
                let made = sign(workspace, statement.as_bytes())?;
                archive.put_signature(&log, seq, &made.armored)?;
                report.signed.push(path);
                report.key_fingerprint = Some(made.key_fingerprint);
                made.armored
            }
        };
        let segment = segment.signed(Some(armored));
        tree::write_segment(&workspace.top, &segment)?;
        let paths: Vec<RepoPath> = segment.files()?.into_iter().map(|(path, _)| path).collect();
        repository.stage(&paths)?;
    }
    if workspace.config.signs_evidence() {
        sign_heads(workspace, &mut archive, &mut report)?;
    }
    drop(lock);
    Ok(report)
}

/// Signs the last record of each log of this archive, unless that has a signature.
fn sign_heads(workspace: &Workspace, archive: &mut Archive, report: &mut SignReport) -> Result<()> {
    let own = archive.own_logs()?;
    for head in archive.ledger().logs()?.into_iter().filter(|head| own.contains(&head.log)) {
        if head.seq == 0 || archive.ledger().signature_of(&head.log, head.seq)?.is_some() {
            continue;
        }
        let statement = statement(&head.log, head.seq, &head.digest);
        let made = sign(workspace, statement.as_bytes())?;
        archive.put_signature(&head.log, head.seq, &made.armored)?;
        report.logs.push(head.log.to_string());
        report.key_fingerprint = Some(made.key_fingerprint);
    }
    Ok(())
}

fn is_over(segment: &Segment, armored: &str) -> bool {
    let statement = statement_of_last(&segment.lines).unwrap_or_default();
    made_by(statement.as_bytes(), armored, NAMESPACE).is_ok()
}
