//! Stubs, ids and object names made by hand from docs/formats.md, without the program's code.

use super::{TestRepo, sha256};

/// The tombstone id of `content` at `path` (raw, ASCII) under `label`.
pub fn id_of(label: &str, path: &str, content: &[u8]) -> String {
    let mut text = b"codex-archive/item/v1\0".to_vec();
    text.extend_from_slice(label.as_bytes());
    text.push(0);
    text.extend_from_slice(path.as_bytes());
    text.push(0);
    text.extend(
        (0..32).map(|at| u8::from_str_radix(&sha256(content)[2 * at..2 * at + 2], 16).unwrap()),
    );
    let digits = sha256(&text);
    // Version 8 and variant 10 of RFC 9562.
    let variant = u8::from_str_radix(&digits[16..17], 16).unwrap() & 0b0011 | 0b1000;
    format!(
        "{}-{}-8{}-{variant:x}{}-{}",
        &digits[0..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..32]
    )
}

/// The stub of `content` at `path` with `prefix` (such as `# `) before each line.
pub fn stub_of(repo: &TestRepo, prefix: &str, label: &str, path: &str, content: &[u8]) -> String {
    let file = repo.world.path("content-to-hash");
    std::fs::write(&file, content).unwrap();
    let oid = repo.git(["hash-object".as_ref(), "--no-filters".as_ref(), file.as_os_str()]).ok();
    let id = id_of(label, path, content);
    [
        "codex-tombstone v1".to_owned(),
        format!("archive-id: {id}"),
        format!("sha256: {}", sha256(content)),
        format!("size: {}", content.len()),
        "mode: 100644".to_owned(),
        format!("git-blob: {}", oid.stdout.trim_end()),
        format!("path: {path}"),
        format!("restore: git codex-archive restore --stage {id}"),
    ]
    .iter()
    .map(|line| format!("{prefix}{line}\n"))
    .collect()
}
