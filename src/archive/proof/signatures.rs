//! The signatures of the table: each over its record, by a signer; and, where evidence is signed, none
//! missing at the end of a log.

use crate::backend::StoredSignature;
use crate::error::Result;
use crate::evidence::statement;
use crate::model::{Finding, RepoPath, escape_line};
use crate::policy::signature::{made_by, verify};
use crate::policy::{NAMESPACE, SIGNERS_PATH, SignatureFault, Signers};

use super::super::{Archive, Workspace, record_of};
use super::{BAD_SIGNATURE, MOST, ProofReport, UNSIGNED};

/// Signatures that are read at once.
const PAGE: u64 = 500;

/// Judges every signature in the table, and what no signature covers.
pub(super) fn judge(
    workspace: &Workspace,
    archive: &mut Archive,
    report: &mut ProofReport,
) -> Result<()> {
    let signers = signers(workspace)?;
    let place = workspace.archive_place()?.to_string();
    let own = archive.own_logs()?;
    let (mut bad, mut bare) = (Vec::new(), Vec::new());
    for head in archive.ledger().logs()? {
        let mut after = 0;
        loop {
            let page = archive.ledger().signatures_in(&head.log, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for stored in &page {
                report.signatures += 1;
                if let Some(fault) = fault(archive, stored, signers.as_ref())? {
                    let words = escape_line(&fault.to_string());
                    bad.push(format!(
                        "the signature of record {} of log {}: {words}",
                        stored.seq, head.log
                    ));
                }
            }
        }
        let is_covered = after >= head.seq;
        if workspace.config.signs_evidence() && own.contains(&head.log) && !is_covered {
            let last = match head.seq - after {
                1 => "record".to_owned(),
                count => format!("{count} records"),
            };
            bare.push(format!("no signature covers the last {last} of log {}", head.log));
        }
    }
    let hint = "git codex-archive evidence log";
    let bad = bad.iter().take(MOST).map(|words| Finding::new(&BAD_SIGNATURE, &*place, words));
    report.findings.extend(bad.map(|finding| finding.hint(hint)));
    let hint = "git codex-archive evidence sign";
    let bare = bare.iter().take(MOST).map(|words| Finding::new(&UNSIGNED, &*place, words));
    report.findings.extend(bare.map(|finding| finding.hint(hint)));
    Ok(())
}

/// Why a signature does not count. A record that is gone or damaged is told of elsewhere.
fn fault(
    archive: &mut Archive,
    stored: &StoredSignature,
    signers: Option<&Signers>,
) -> Result<Option<SignatureFault>> {
    let Some((row, digest)) = archive.ledger().digest_at(&stored.log, stored.seq)? else {
        return Ok(Some(SignatureFault::WrongBytes));
    };
    let line = statement(&stored.log, stored.seq, &digest);
    let (message, armored) = (line.as_bytes(), stored.armored.as_str());
    let Some(signers) = signers else { return Ok(made_by(message, armored, NAMESPACE).err()) };
    let record = archive.ledger().records_after(row - 1, 1)?;
    let Some(Ok(record)) = record.first().map(record_of) else { return Ok(None) };
    Ok(verify(message, armored, NAMESPACE, signers, record.ts).err())
}

/// The signers of HEAD; `None` where it has none.
fn signers(workspace: &Workspace) -> Result<Option<Signers>> {
    let Some(repository) = &workspace.repository else { return Ok(None) };
    let Some(head) = repository.head()? else { return Ok(None) };
    let path = RepoPath::new(SIGNERS_PATH.as_bytes())?;
    let Some(entry) = repository.commit_tree(&head)?.entry(&path)? else { return Ok(None) };
    let Some(text) = repository.blob(&entry.oid)? else { return Ok(None) };
    Signers::parse(&String::from_utf8_lossy(&text)).map(Some)
}
