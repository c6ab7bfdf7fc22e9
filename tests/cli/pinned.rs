//! Pins what a command says: standard output, standard error and exit code together, with what
//! differs from run to run taken out.

use crate::common::{Outcome, TestRepo};

const FILTERS: [(&str, &str); 11] = [
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b", "[archive id]"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[uuid]"),
    (r"\b\d{4}/\d{2}/[0-9a-f]{16}\.jsonl", "[year]/[month]/[digest].jsonl"),
    (r"\b[0-9a-f]{64}\b", "[sha256]"),
    (r"\b[0-9a-f]{40}\b", "[oid]"),
    (r"--source=[0-9a-f]{12}\b", "--source=[oid]"),
    (r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{3})?Z", "[time]"),
    (r#""(compressed_size|stored_bytes|stored_size)": \d+"#, r#""$1": [bytes]"#),
    (r#""((total_)?duration_ms)": \d+"#, r#""$1": [ms]"#),
    (r"Total Time: \d+ms", "Total Time: [ms]"),
    (r"\b(batch_restore|batch_store)_\d{8}_\d{6}(_\d+)?\.json", "${1}_[time].json"),
];

/// Compares what `outcome` says with the snapshot of this name.
#[track_caller]
pub fn pin(name: &str, repo: &TestRepo, outcome: &Outcome) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let world = repo.world.path(".");
    let world = world.to_str().unwrap().trim_end_matches("/.");
    settings.add_filter(&literal(world), "[world]");
    for (pattern, with) in FILTERS {
        settings.add_filter(pattern, with);
    }
    settings.bind(|| insta::assert_snapshot!(name, outcome.to_string()));
}

/// A pattern that matches `text` and nothing else.
fn literal(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() || c == '/' { c.to_string() } else { format!("\\{c}") })
        .collect()
}
