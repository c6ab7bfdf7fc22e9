//! The rules of one run, as the configuration has them and a plan keeps them.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::RetentionScope;
use crate::policy::retention::{ItemRules, MemoryRules};

/// The rules of one run. Keys in the order of their names: they are part of a canonical file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// Days for which entries or items are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u64>,
    /// How many entries of a project are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_entries_per_project: Option<u64>,
    /// Patterns of paths that narrow what is too old.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The project whose entries are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Tags that narrow what is too old.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Inputs {
    /// The rules that `config` has for `scope`; an error where it has none for memory, or some that
    /// say nothing for items.
    pub fn of(config: &Config, scope: RetentionScope) -> Result<Self> {
        let inputs = match scope {
            RetentionScope::Memory => {
                config.check_usable("retention")?;
                Self {
                    max_age_days: config.memory_max_age_days(),
                    max_entries_per_project: config.memory_max_entries(),
                    project: config.memory_project().map(str::to_owned),
                    ..Self::default()
                }
            }
            RetentionScope::Items => Self {
                max_age_days: config.items_max_age_days(),
                paths: sorted(config.texts("retention.items.paths")),
                tags: sorted(config.texts("retention.items.tags")),
                ..Self::default()
            },
        };
        if scope == RetentionScope::Memory
            && inputs.max_age_days.is_none()
            && inputs.max_entries_per_project.is_none()
        {
            let what = "`retention.max_age_days` or `retention.max_entries_per_project`";
            return Err(Error::Missing { what });
        }
        let narrowing = ["retention.items.paths", "retention.items.tags"];
        let set = narrowing.into_iter().find(|key| !config.texts(key).is_empty());
        if scope == RetentionScope::Items
            && inputs.max_age_days.is_none()
            && let Some(key) = set
        {
            let what = format!("`{key}` says nothing without `retention.items.max_age_days`");
            let origin = config.origin(key).to_string();
            return Err(Error::Config { what, origin, nearest: None });
        }
        // A wrong pattern is a mistake in the file, with a line.
        if let Err(error) = inputs.item_rules() {
            let key = "retention.items.paths";
            let what = format!("`{key}` is wrong: {error}");
            let origin = config.origin(key).to_string();
            return Err(Error::Config { what, origin, nearest: None });
        }
        Ok(inputs)
    }

    /// The same as rules for entries.
    pub fn memory_rules(&self) -> MemoryRules {
        MemoryRules {
            max_age_days: self.max_age_days,
            max_entries_per_project: self.max_entries_per_project,
        }
    }

    /// The same as rules for items.
    pub fn item_rules(&self) -> Result<ItemRules> {
        ItemRules::new(self.max_age_days, &self.paths, &self.tags)
    }

    /// Their one spelling, by which runs with the same rules are told.
    pub fn render(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts have a JSON form")
    }

    /// The same as a value for a record.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("numbers and texts have a JSON form")
    }
}

fn sorted(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort_unstable();
    texts.dedup();
    texts
}
