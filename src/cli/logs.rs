//! What is logged, as configuration and options say.

use std::path::PathBuf;
use std::sync::Arc;

use super::ui::Ui;
use crate::archive::Workspace;
use crate::clock::SystemClock;
use crate::error::Result;
use crate::fs as files;
use crate::logging::{Durations, Format, Sink, Weight, start};

/// Whether to say that nothing can be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Say so.
    Told,
    /// Say nothing: whoever commits did not ask.
    Hidden,
}

/// Begins to log what a command in `workspace` does, if anybody asked for that: a key of
/// `[logging]`, its environment name, or `--debug`. A file that cannot be written is no reason not
/// to work.
pub fn begin(ui: &Ui, workspace: &Workspace, trouble: Trouble) {
    let config = &workspace.config;
    let mut sinks = Vec::new();
    if config.wants_logs() {
        match configured(ui, workspace) {
            Ok(sink) => sinks.extend(sink),
            Err(error) if trouble == Trouble::Told => {
                let why = std::error::Error::source(&error).map(|it| format!(": {it}"));
                ui.warn(&format!("nothing is logged: {error}{}", why.unwrap_or_default()));
            }
            Err(_) => {}
        }
    }
    if ui.is_debug() {
        sinks.push(Sink { least: Weight::Debug, format: Format::Text, to: ui.log_stream() });
    }
    if sinks.is_empty() {
        return;
    }
    let durations = if config.measures() { Durations::Told } else { Durations::LeftOut };
    if let Some(log) = start(sinks, durations, Arc::new(SystemClock)) {
        ui.keep_log(log);
    }
}

/// Where configuration says that lines go; `None` where `--debug` says the same to a person.
fn configured(ui: &Ui, workspace: &Workspace) -> Result<Option<Sink>> {
    let config = &workspace.config;
    let least = Weight::named(config.log_level()).unwrap_or(Weight::Info);
    let format = if config.log_format() == "text" { Format::Text } else { Format::Json };
    Ok(match workspace.log_file()? {
        Some(file) => Some(to_file(file, least, format)?),
        None if ui.is_debug() => None,
        None => Some(Sink { least, format, to: ui.log_stream() }),
    })
}

fn to_file(file: PathBuf, least: Weight, format: Format) -> Result<Sink> {
    Ok(Sink { least, format, to: Box::new(files::open_log(&file)?) })
}
