//! `config-show`: what is set, and by whom.

use serde::Serialize;

use crate::archive::content_policy;
use crate::cli::context::Context;
use crate::cli::report::Report;
use crate::cli::text::Text;
use crate::config::Value;
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  git codex-archive config-show
  git codex-archive config-show --origin
  CODEX_ARCHIVE_LOG_LEVEL=debug git codex-archive config-show --json";

/// The options of `config-show`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Show every key, and where its value comes from
    #[arg(long)]
    origin: bool,
}

/// The configuration in force.
#[derive(Debug, Serialize)]
pub struct Shown {
    backend: String,
    url: String,
    keys: Vec<Line>,
    unknown_variables: Vec<String>,
    #[serde(skip)]
    is_full: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    key: &'static str,
    value: Option<String>,
    origin: String,
}

/// Reads the configuration.
pub fn run(context: &Context<'_>, args: &Args) -> Result<Shown> {
    let config = &context.workspace.config;
    // Rules and globs are known to the policy alone; whoever asks for the settings learns of it here.
    content_policy(&context.workspace)?;
    let line = |value: Value| Line {
        key: value.key,
        value: value.shown,
        origin: value.origin.to_string(),
    };
    let unknown = context.unknown_variables();
    for (name, nearest) in &unknown {
        let meant = nearest.map_or_else(String::new, |nearest| format!(", `{nearest}` does"));
        context.ui.warn(&format!("the variable `{name}` means nothing here{meant}"));
    }
    Ok(Shown {
        backend: config.backend().to_string(),
        url: config.url().to_string(),
        keys: config.values().map(line).collect(),
        unknown_variables: unknown.into_iter().map(|(name, _)| name).collect(),
        is_full: args.origin || context.ui.is_debug(),
    })
}

impl Shown {
    fn value(&self, key: &str) -> &str {
        let line = self.keys.iter().find(|line| line.key == key);
        line.and_then(|line| line.value.as_deref()).unwrap_or("unset")
    }

    fn switch(&self, key: &str) -> &'static str {
        if self.value(key) == "true" { "enabled" } else { "disabled" }
    }
}

impl Report for Shown {
    fn write_human(&self, out: &mut Text) {
        out.line("=== Archive Configuration ===");
        out.line(format!("Backend: {}", self.backend));
        out.line(format!("URL: {} (credentials redacted)", self.url));
        out.line(format!("Log Level: {}", self.value("logging.level")));
        let retry = match self.switch("retry.enabled") {
            "enabled" => format!("enabled ({} attempts)", self.value("retry.max_attempts")),
            word => word.to_owned(),
        };
        out.line(format!("Retry: {retry}"));
        out.line(format!("Batch Concurrency: {}", self.value("batch.concurrent")));
        out.line(format!("Performance Metrics: {}", self.switch("performance.enabled")));
        if !self.is_full {
            return;
        }
        out.gap();
        let row = |line: &Line| {
            let value = line.value.clone().unwrap_or_else(|| "unset".to_owned());
            vec![line.key.to_owned(), value, line.origin.clone()]
        };
        let rows: Vec<Vec<String>> = self.keys.iter().map(row).collect();
        out.table(&["key", "value", "origin"], &rows);
    }
}
