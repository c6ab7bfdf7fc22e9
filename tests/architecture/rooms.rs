//! The table of allowed edges between the top-level modules of src/.

/// The ground floor: known to all above.
const GROUND: &[&str] = &["error", "clock", "progress", "retry", "fs", "secret", "model"];
/// The first floor: knows the ground, and none of it another.
const FIRST: &[&str] =
    &["blob", "tombstone", "policy", "evidence", "git", "backend", "config", "logging", "manifest"];
/// Stands on the archive, which knows none of it.
const SECOND: &[&str] = &["verify", "backup", "bundle", "memory", "report", "sync"];
/// Ways in from outside, beside the command line.
const THIRD: &[&str] = &["hook", "mcp"];

/// Whether the top-level module `from` may name `to`; `None` for a module without a row.
pub fn may_name(from: &str, to: &str) -> Option<bool> {
    let is = |rooms: &[&str]| rooms.contains(&to);
    let floors = |count: usize| {
        let all: [&[&str]; 3] = [GROUND, FIRST, &["archive"]];
        all[..count].iter().any(|rooms| rooms.contains(&to))
    };
    Some(match from {
        "error" | "progress" => false,
        "clock" | "secret" | "model" | "retry" => is(&["error"]),
        "fs" => is(&["error", "model"]),
        it if FIRST.contains(&it) => floors(1),
        "archive" => floors(2),
        it if SECOND.contains(&it) => floors(3),
        "hook" => floors(3) || is(&["verify"]),
        "mcp" => floors(3) || is(SECOND),
        "cli" => floors(3) || is(SECOND) || is(THIRD),
        "main" => is(&["cli"]),
        "lib" => true,
        _ => return None,
    })
}
