//! docs/cli-reference.md, made from the definitions that the parser itself uses.

use clap::{Arg, Command, CommandFactory};

const HEAD: &str = "# Command-line reference

Made from the program's own definitions; `UPDATE=1 cargo test --test cli_reference` writes it anew.
";

/// The text of docs/cli-reference.md.
pub fn markdown() -> String {
    let mut root = super::Cli::command();
    root.build();
    let mut out = String::from(HEAD);
    out.push_str("\n## Global options\n\n");
    let globals =
        root.get_arguments().filter(|argument| argument.is_global_set() && !argument.is_hide_set());
    globals.for_each(|argument| write_argument(&mut out, argument));
    if let Some(examples) = root.get_after_help() {
        out.push_str(&format!("\n```text\n{examples}\n```\n"));
    }
    let mut commands: Vec<(String, &Command)> = Vec::new();
    gather("git codex-archive", &root, &mut commands);
    for (name, command) in commands {
        write_command(&mut out, &name, command);
    }
    out
}

fn gather<'a>(name: &str, command: &'a Command, out: &mut Vec<(String, &'a Command)>) {
    for child in command.get_subcommands().filter(|child| !child.is_hide_set()) {
        let name = format!("{name} {}", child.get_name());
        out.push((name.clone(), child));
        gather(&name, child, out);
    }
}

fn write_command(out: &mut String, name: &str, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    out.push_str(&format!("\n## `{name}`\n\n"));
    if let Some(about) = command.get_about() {
        out.push_str(&format!("{about}.\n\n"));
    }
    out.push_str(&format!("```text\n{usage}\n```\n"));
    let own = command
        .get_arguments()
        .filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
    let mut own = own.filter(|argument| !argument.is_hide_set()).peekable();
    if own.peek().is_some() {
        out.push('\n');
    }
    own.for_each(|argument| write_argument(out, argument));
    let parent_has_them = command.get_subcommands().next().is_none() && name.split(' ').count() > 3;
    if let Some(examples) = command.get_after_help().filter(|_| !parent_has_them) {
        out.push_str(&format!("\n```text\n{examples}\n```\n"));
    }
}

fn write_argument(out: &mut String, argument: &Arg) {
    let values: Vec<String> =
        argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let takes = argument.get_action().takes_values();
    let value = if takes { values.join(" ") } else { String::new() };
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let many = if argument.is_positional() && is_many(argument) { "…" } else { "" };
    let spelled = match (argument.is_positional(), value.is_empty()) {
        (true, _) => format!("{value}{many}"),
        (false, true) => names.join(", "),
        (false, false) => format!("{} {value}", names.join(", ")),
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let mut notes = Vec::new();
    let words: Vec<String> =
        argument.get_possible_values().iter().map(|it| format!("`{}`", it.get_name())).collect();
    if takes && !words.is_empty() {
        notes.push(format!("one of {}", words.join(", ")));
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|it| it.to_string_lossy()).collect();
    if takes && !defaults.is_empty() {
        notes.push(format!("default `{}`", defaults.join(" ")));
    }
    if argument.is_required_set() && !argument.is_positional() {
        notes.push("required".to_owned());
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    out.push_str(&format!("- `{spelled}`: {help}{notes}\n"));
}

fn is_many(argument: &Arg) -> bool {
    argument.get_num_args().is_some_and(|range| range.max_values() > 1)
}
