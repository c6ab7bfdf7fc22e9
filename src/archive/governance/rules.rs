//! The rules in force: the policy that the archive has, and what is stricter here.

use std::fs;
use std::io;

use crate::archive::{Archive, Workspace};
use crate::config::Origin;
use crate::error::{Error, Refusal, Result};
use crate::policy::{Governance, SIGNERS_PATH, Signers};

/// The rules in force.
#[derive(Debug)]
pub struct Rules {
    /// The rules.
    pub governance: Governance,
    /// The version of the policy; 0 before the first was adopted.
    pub version: u64,
    /// Whose signatures count.
    pub signers: Signers,
}

impl Rules {
    /// The rules of the policy itself, whatever the files say: they may be what is proposed.
    pub fn adopted(archive: &mut Archive) -> Result<Self> {
        Ok(match archive.register().policy()? {
            Some(row) => Self {
                governance: parse(&row.toml)?,
                version: row.version,
                signers: Signers::parse(&row.signers)?,
            },
            None => {
                Self { governance: Governance::default(), version: 0, signers: Signers::default() }
            }
        })
    }

    /// The rules in force for `workspace`. Whatever sets one looser than the policy is refused, and
    /// so is a file with a signer whom nobody approved.
    pub fn load(
        workspace: &Workspace,
        archive: &mut Archive,
        action: &'static str,
    ) -> Result<Self> {
        let Self { governance: adopted, version, signers: approved } = Self::adopted(archive)?;
        let governance = workspace.config.governance(&adopted);
        if let Some(key) = governance.looser_than(&adopted) {
            let origin = workspace.config.origin(key).to_string();
            let refusal = Refusal::Looser { key, origin, version };
            return Err(Error::refused(action, "governance", refusal));
        }
        let signers = match (proposed_signers(workspace)?, version) {
            // Before there is a policy nobody's signature counts.
            (_, 0) => Signers::default(),
            (None, _) => approved,
            (Some(proposed), _) => {
                if !proposed.without(&approved).is_empty() {
                    let key = "allowed_signers";
                    let origin = SIGNERS_PATH.to_owned();
                    let refusal = Refusal::Looser { key, origin, version };
                    return Err(Error::refused(action, SIGNERS_PATH, refusal));
                }
                proposed
            }
        };
        Ok(Self { governance, version, signers })
    }
}

/// The signers of the file in the work tree; `None` where there is none.
pub(super) fn proposed_signers(workspace: &Workspace) -> Result<Option<Signers>> {
    let file = workspace.top.join(SIGNERS_PATH);
    match fs::read_to_string(&file) {
        Ok(text) => Signers::parse(&text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &file)(error)),
    }
}

/// The rules of a policy as the archive keeps it.
pub(super) fn parse(toml: &str) -> Result<Governance> {
    let config = crate::config::Config::from_text("the policy in force", toml)?;
    Ok(config.governance(&Governance::default()))
}

impl crate::config::Config {
    /// The rules of governance that are set; those that are not are as in `others`.
    pub fn governance(&self, others: &Governance) -> Governance {
        let is_set = |key| !matches!(self.origin(key), Origin::Default);
        let mut rules = others.clone();
        if is_set("governance.assurance") {
            rules.assurance = self.assurance();
        }
        if is_set("governance.restore_approvals") {
            rules.restore_approvals = self.restore_approvals();
        }
        if is_set("governance.approval_ttl") {
            rules.approval_ttl_days = self.approval_ttl_days();
        }
        if is_set("governance.separation") {
            rules.separation = self.separation();
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Assurance;

    #[test]
    fn what_is_rendered_is_read_again() {
        for assurance in [Assurance::Attested, Assurance::Signed] {
            for separation in [false, true] {
                let (restore_approvals, approval_ttl_days) = (3, 30);
                let rules =
                    Governance { assurance, restore_approvals, approval_ttl_days, separation };
                assert_eq!(parse(&rules.render()).unwrap(), rules);
            }
        }
        let rules = Governance::default();
        assert_eq!(parse(&rules.render()).unwrap(), rules);
        assert_eq!(
            rules.render(),
            "[governance]\napproval_ttl = 7\nassurance = \"attested\"\nrestore_approvals = 2\n\
             separation = false\n"
        );
    }
}
