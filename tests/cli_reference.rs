//! docs/cli-reference.md is what the program's own definitions say; `UPDATE=1 cargo test --test
//! cli_reference` writes it anew.

use std::fs;
use std::path::Path;

#[test]
fn the_reference_is_true() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli-reference.md");
    let text = codex_archive::cli::reference::markdown();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &text).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "docs/cli-reference.md is old: run `UPDATE=1 cargo test --test cli_reference`"
    );
}
