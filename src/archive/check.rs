//! `evidence check`: judges a proof with nothing at hand but the file, and the signers where they
//! are known. No archive and no repository is opened.

use serde::Serialize;

use crate::evidence::{Checkpoint, Note, Record, key_id, leaf_hash, root_by_path};
use crate::model::{Digest, escape_line};
use crate::policy::signature::{armor_of, key_of, made_by, verify};
use crate::policy::{NAMESPACE, Signers};

use super::Proof;
use super::history::Entry;

/// The largest proof that is read, in bytes.
pub const MAX_PROOF_BYTES: u64 = 1 << 20;

/// What a proof shows.
#[derive(Debug, Default, Serialize)]
pub struct CheckReport {
    /// Whether it shows what it says, and is signed by a signer where signers were given.
    pub ok: bool,
    /// What is wrong with it.
    pub faults: Vec<String>,
    /// The record, once its line is known to be one.
    pub record: Option<Entry>,
    /// The first line of the checkpoint.
    pub origin: Option<String>,
    /// How many records the checkpoint covers.
    pub tree_size: u64,
    /// When the checkpoint was made, as it claims.
    pub at: Option<String>,
    /// The key that signed the checkpoint, as `SHA256:…`; `None` where nobody did.
    pub key_fingerprint: Option<String>,
    /// The names that the signers give that key; empty where no signers were given.
    pub principals: Vec<String>,
    /// Whether signers were given, so that it is known whose signature it is.
    pub signers_known: bool,
}

/// Judges the proof in `bytes`.
pub fn check(bytes: &[u8], signers: Option<&Signers>) -> CheckReport {
    let mut report = CheckReport { signers_known: signers.is_some(), ..CheckReport::default() };
    if let Err(fault) = judge(bytes, signers, &mut report) {
        report.faults.push(escape_line(&fault));
    }
    report.ok = report.faults.is_empty();
    report
}

fn judge(bytes: &[u8], signers: Option<&Signers>, report: &mut CheckReport) -> Result<(), String> {
    let proof: Proof =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no proof: {error}"))?;
    if proof.v != 1 {
        return Err(format!("it is a proof of version {}, and 1 is known", proof.v));
    }
    let line = proof.record.as_bytes();
    let record = Record::parse(line).map_err(|fault| format!("its record: {fault}"))?;
    report.record = Some(Entry { record, digest: Digest::of(line), in_archive: false });
    let note = Note::parse(&proof.checkpoint).map_err(|why| format!("its checkpoint: {why}"))?;
    let checkpoint = Checkpoint::parse(&note.text).ok_or("its checkpoint is none of ours")?;
    report.origin = Some(checkpoint.origin());
    report.tree_size = checkpoint.size;
    report.at = Some(checkpoint.at.to_string());
    if proof.tree_size != checkpoint.size {
        return Err("it is about a tree of another size than its checkpoint".to_owned());
    }
    let path: Option<Vec<Digest>> = proof.audit_path.iter().map(|it| it.parse().ok()).collect();
    let path = path.ok_or("its path has something that is no hash")?;
    let root = root_by_path(leaf_hash(line), proof.leaf_index, proof.tree_size, &path);
    if root != Some(checkpoint.root) {
        return Err(
            "the record is not one that its checkpoint covers: one of the two, or the path \
                    between them, was changed"
                .to_owned(),
        );
    }
    signature(&note, &checkpoint, signers, report)
}

/// The signature by the archive's own name. Those of others, such as witnesses, are passed over.
fn signature(
    note: &Note,
    checkpoint: &Checkpoint,
    signers: Option<&Signers>,
    report: &mut CheckReport,
) -> Result<(), String> {
    let name = checkpoint.origin();
    let (message, mut fault) = (note.text.as_bytes(), None);
    for line in note.signatures.iter().filter(|line| line.name == name) {
        let armored = armor_of(&line.bytes);
        let judged = key_of(&armored).and_then(|key| match signers {
            // Of another key or kind than the line says.
            _ if key_id(&name, &key) != line.key_id => Ok(None),
            None => made_by(message, &armored, NAMESPACE).map(|key| Some((key, Vec::new()))),
            Some(signers) => verify(message, &armored, NAMESPACE, signers, checkpoint.at)
                .map(|signed| Some((signed.key_fingerprint, signed.principals))),
        });
        match judged {
            Ok(Some((key, principals))) => {
                report.key_fingerprint = Some(key);
                report.principals = principals;
                return Ok(());
            }
            Ok(None) => fault = fault.or(Some("its key is not the one that is named".to_owned())),
            Err(why) => fault = Some(why.to_string()),
        }
    }
    match fault {
        Some(fault) => Err(format!("the signature of its checkpoint: {fault}")),
        None if signers.is_some() => Err("its checkpoint is not signed".to_owned()),
        None => Ok(()),
    }
}
