//! The list of results, for people and for whoever audits them: Markdown, one section a drill.

use std::path::Path;

use crate::model::escape_line;

use super::DrillReport;

/// What a new list begins with.
pub(super) const HEAD: &str = "# Restore drills\n";

/// The section of `report`, which `actor` did.
pub(super) fn section(report: &DrillReport, actor: &str) -> String {
    let file = Path::new(&report.file).file_name();
    let file = file.map_or_else(|| "standard input".into(), |name| name.to_string_lossy());
    let result = if report.ok { "passed" } else { "FAILED" };
    let mut out = format!("\n## {}: {} drill, {result}\n\n", report.at, report.kind.as_str());
    let made = report.created_at.as_deref().unwrap_or("an unknown time");
    out.push_str(&format!("- Backup: `{}`, made at {made}\n", plain(&file)));
    out.push_str(&format!("- SHA-256: `{}`\n", report.sha256));
    out.push_str(&format!("- By: {}\n", plain(actor)));
    if !report.evidence.is_empty() {
        out.push_str(&format!("- Record: `{}`\n", report.evidence));
    }
    out.push('\n');
    for check in &report.checks {
        let mark = if check.ok { 'x' } else { ' ' };
        out.push_str(&format!("- [{mark}] {}: {}\n", check.name, plain(&check.detail)));
    }
    out
}

/// `text` on one line, and with nothing in it that Markdown would take for its own.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in escape_line(text).chars() {
        match c {
            '`' => out.push('\''),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '[' | ']' | '*' | '|' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{DrillCheck, DrillKind};
    use super::*;

    #[test]
    fn a_section_says_what_was_tried() {
        let check = |name, ok, detail: &str| DrillCheck { name, ok, detail: detail.to_owned() };
        let report = DrillReport {
            ok: false,
            kind: DrillKind::Spot,
            file: "/b/2026/x.tar.gz".to_owned(),
            sha256: "00ff".to_owned(),
            created_at: None,
            at: "2026-11-22T07:00:00.000Z".to_owned(),
            checks: vec![
                check("checksum", true, "agrees"),
                check("unpack", false, "[x](http://y) `z`\n- [x] <b>"),
            ],
            checklist: None,
            evidence: String::new(),
        };
        let expected = "
## 2026-11-22T07:00:00.000Z: spot drill, FAILED

- Backup: `x.tar.gz`, made at an unknown time
- SHA-256: `00ff`
- By: ann

- [x] checksum: agrees
- [ ] unpack: \\[x\\](http://y) 'z'\\\\n- \\[x\\] &lt;b>
";
        assert_eq!(section(&report, "ann"), expected);
    }
}
