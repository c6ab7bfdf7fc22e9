//! Signatures of segments, judged by what the bases say of who signs.
//!
//! Whether evidence must be signed, and by whom, is read at the base and never from what is proposed:
//! a change cannot let itself in.

use crate::config;
use crate::error::Result;
use crate::evidence::{Segment, statement_of_last};
use crate::git::Repository;
use crate::model::{Finding, GitOid, RepoPath, escape_line};
use crate::policy::signature::{made_by, verify};
use crate::policy::{NAMESPACE, SIGNERS_PATH, SignatureFault, Signers};

use super::rules;
use super::tree::{LABEL_FILE, Tree};

/// What mends a signature that is missing or bad.
const MEND: &str = "git codex-archive evidence sign";

/// What the bases say of signatures.
#[derive(Debug, Default)]
pub struct Signing {
    /// Whether a segment without signature is a finding.
    pub required: bool,
    /// The signers of each base that has some.
    signers: Vec<Signers>,
    /// Signers of a base that cannot be read.
    pub findings: Vec<Finding>,
}

impl Signing {
    /// What the commits `bases` say.
    pub fn at(repository: &Repository, bases: &[GitOid]) -> Result<Self> {
        let mut this = Self::default();
        for base in bases {
            let tree = Tree::Commit(*base);
            if let Some(text) = file(repository, &tree, LABEL_FILE)? {
                this.required |= config::signs_in(&text);
            }
            let Some(text) = file(repository, &tree, SIGNERS_PATH)? else { continue };
            match parse(&text) {
                Ok(signers) => this.signers.push(signers),
                Err(words) => this.findings.push(invalid(&words)),
            }
        }
        Ok(this)
    }

    /// What is wrong with the signature of `segment`.
    pub fn judge(&self, segment: &Segment) -> Option<Finding> {
        let path = segment.path.to_string();
        let Some(armored) = &segment.signature else {
            let words = "it has no signature, and the base wants one";
            let finding = || Finding::new(&rules::UNSIGNED, path, words).hint(MEND);
            return self.required.then(finding);
        };
        let fault = self.fault(segment, armored)?;
        let words = format!("{} ({})", escape_line(&fault.to_string()), fault.name());
        Some(Finding::new(&rules::BAD_SIGNATURE, path, words).hint(MEND))
    }

    /// One base that takes the signature is enough: there it was judged for what it is.
    fn fault(&self, segment: &Segment, armored: &str) -> Option<SignatureFault> {
        let statement = statement_of_last(&segment.lines)?;
        let (last, _) = segment.lines.last()?;
        let message = statement.as_bytes();
        if self.signers.is_empty() && !self.required {
            // Nobody said who signs: at least it must be a signature of this.
            return made_by(message, armored, NAMESPACE).err();
        }
        let nobody = [Signers::default()];
        let signers = if self.signers.is_empty() { &nobody[..] } else { &self.signers };
        let mut fault = None;
        for signers in signers {
            match verify(message, armored, NAMESPACE, signers, last.ts) {
                Ok(_) => return None,
                Err(why) => fault = Some(why),
            }
        }
        fault
    }
}

/// What is wrong with the signers of `tree`, if it has some.
pub fn judge_signers(repository: &Repository, tree: &Tree) -> Result<Option<Finding>> {
    let text = file(repository, tree, SIGNERS_PATH)?;
    Ok(text.and_then(|text| parse(&text).err()).map(|words| invalid(&words)))
}

/// The signers that `text` names, or what is wrong with it.
fn parse(text: &[u8]) -> std::result::Result<Signers, String> {
    let text = str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    Signers::parse(text).map_err(|error| error.to_string())
}

fn invalid(words: &str) -> Finding {
    Finding::new(&rules::SIGNERS_INVALID, SIGNERS_PATH, escape_line(words))
        .hint(format!("git log --oneline -- ':/{SIGNERS_PATH}'"))
}

fn file(repository: &Repository, tree: &Tree, path: &str) -> Result<Option<Vec<u8>>> {
    match tree.oid_at(repository, &RepoPath::new(path.as_bytes())?)? {
        Some(oid) => repository.blob(&oid),
        None => Ok(None),
    }
}
