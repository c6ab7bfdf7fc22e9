//! Retention: what it is about, why something is a candidate, and what keeps it from being one.

use super::words::words;

words!(
    /// What a run of retention is about.
    RetentionScope, "scope" {
        /// Entries of memory.
        Memory = "memory",
        /// Items of this repository.
        Items = "items",
    }
);

words!(
    /// Why something is a candidate.
    RetentionReason, "reason" {
        /// It is older than the rules keep it.
        Age = "age",
        /// It is beyond the newest that the rules keep of its project.
        ProjectCount = "project_count",
        /// The last day on which it was to be kept has passed.
        DeleteAfter = "delete_after",
    }
);

words!(
    /// What keeps an item that the rules fit from being a candidate.
    Protection, "protection" {
        /// A hold holds it.
        Held = "held",
        /// It is restricted.
        Restricted = "restricted",
        /// Its stub stands at a tip, or in the index.
        Stubbed = "stubbed",
        /// Another item, which is no candidate, has the same content.
        Shared = "shared",
    }
);

words!(
    /// What a row of `retention_audit_events` tells of.
    RetentionRun, "mode" {
        /// A plan was made; nothing was destroyed.
        DryRun = "dry-run",
        /// A plan was carried out.
        Apply = "apply",
    }
);
