//! A console session out of a document, typed again in a world of its own.
//!
//! A line that begins with `$ ` is a command, one with `> ` goes on with it, all others are its
//! output, in which `…` stands for anything. `# exit N` at a command's end says that it fails so.

use crate::world::World;

/// One command and what the document shows of its output.
struct Step {
    command: String,
    exit: i32,
    shown: Vec<String>,
}

/// What is not typed again here: it would build or test the program inside its own test.
const SKIPPED: [&str; 2] = ["cargo ", "tests/run"];

/// Types every console block of `text`, one after the other, and compares.
pub fn run(text: &str) {
    let world = World::new();
    let mut folder = world.work();
    let steps = steps(text);
    assert!(steps.len() > 5, "only {} commands were found", steps.len());
    for step in &steps {
        // The document shows what a terminal shows, and here a program reads.
        let command = step.command.replace("codex-archive store", "codex-archive --text store");
        let (exit, output) = world.type_in(&mut folder, &command);
        assert_eq!(exit, step.exit, "$ {}\n{output}", step.command);
        let mut lines = output.lines();
        for shown in &step.shown {
            let fits = lines.any(|line| matches(shown.trim(), line.trim()));
            assert!(fits, "$ {}\ndid not print: {shown}\nbut:\n{output}", step.command);
        }
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in text.split("\n```console\n").skip(1) {
        let block = block.split("\n```").next().unwrap();
        let mut skipped = false;
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                skipped = SKIPPED.iter().any(|word| command.starts_with(word));
                if !skipped {
                    let (command, exit) = match command.rsplit_once("# exit ") {
                        Some((command, code)) => (command, code.trim().parse().unwrap()),
                        None => (command, 0),
                    };
                    let command = command.trim_end().to_owned();
                    steps.push(Step { command, exit, shown: Vec::new() });
                }
            } else if let Some(step) = steps.last_mut().filter(|_| !skipped) {
                match line.strip_prefix("> ") {
                    Some(more) => step.command.push_str(&format!("\n{more}")),
                    None if line.trim() == "…" || line.trim().is_empty() => {}
                    None => step.shown.push(line.to_owned()),
                }
            }
        }
    }
    steps
}

/// Whether `line` is `shown`, in which each `…` stands for anything.
fn matches(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut ends_open = true;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        // The last part must be the line's end, wherever else it stands.
        let at = if rest.ends_with(part) { rest.len() - part.len() } else { at };
        rest = &rest[at + part.len()..];
        ends_open = part.is_empty();
    }
    rest.is_empty() || (ends_open && shown.ends_with('…'))
}

#[test]
fn dots_stand_for_anything() {
    assert!(matches("a…c", "abbc") && matches("a…", "ab") && matches("…c", "abc"));
    assert!(matches("record …, by ada", "record 12, 3, by ada"));
    assert!(!matches("a…c", "abd") && !matches("ab", "abc") && !matches("b…", "ab"));
}
