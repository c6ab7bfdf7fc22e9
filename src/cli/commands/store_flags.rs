//! How files are archived: the options that `store` and `batch-store` share.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::words;
use crate::archive::{Pace, StoreOptions, StubPlace};
use crate::model::{Actor, ItemKind, Notes, Reason, RepoLabel};

/// The options of whatever archives files.
#[derive(Debug, clap::Args)]
pub struct StoreFlags {
    /// The commit whose content is archived (default: HEAD)
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// A tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Something to remember of each item; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// What sort of file it is (default: by its name)
    #[arg(long, value_parser = words(ItemKind::ALL, ItemKind::as_str))]
    kind: Option<ItemKind>,
    /// The programming language (default: by its name)
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    /// Reading it shall take two people
    #[arg(long)]
    restricted: bool,
    /// The last day on which it shall be kept
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    delete_after: Option<String>,
    /// Put the tombstone under .codex/tombstones, and nothing in the file's place
    #[arg(long, conflicts_with = "no_stub")]
    sidecar: bool,
    /// Leave the file as it is
    #[arg(long)]
    no_stub: bool,
    /// Free a file of its filter, encoding or ident: adds a line to .gitattributes and stages it too.
    /// Under git-lfs the content is archived, not the pointer
    #[arg(long)]
    detach_attributes: bool,
}

impl StoreFlags {
    /// Where the stubs go.
    pub fn stub(&self) -> StubPlace {
        match (self.sidecar, self.no_stub) {
            (true, _) => StubPlace::Sidecar,
            (_, true) => StubPlace::None,
            _ => StubPlace::InPlace,
        }
    }

    /// What they make of a deed of `actor`; it has no paths yet.
    pub fn options(&self, label: RepoLabel, actor: Actor, reason: Reason) -> StoreOptions {
        let (tags, metadata) = (&self.tags, &self.metadata);
        StoreOptions {
            label,
            paths: Vec::new(),
            actor,
            notes: Notes {
                reason,
                tags: tags.iter().cloned().collect(),
                metadata: metadata.iter().cloned().collect(),
            },
            own_notes: BTreeMap::new(),
            commit: self.commit.clone(),
            kind: self.kind,
            language: self.language.clone(),
            restricted: self.restricted,
            delete_after: self.delete_after.clone(),
            stub: self.stub(),
            detach: self.detach_attributes,
            dry_run: false,
            batch: None,
            pace: Pace::default(),
        }
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn day(text: &str) -> Result<String, String> {
    let date: Date = text.parse().map_err(|_| "it is no day such as 2031-12-31")?;
    Ok(date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_options() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("a").is_err());
        assert_eq!(day("2031-12-31").as_deref(), Ok("2031-12-31"));
        for bad in ["2031-13-01", "tomorrow", "2031-12-31T00:00:00Z; x", ""] {
            assert!(day(bad).is_err(), "{bad}");
        }
    }
}
