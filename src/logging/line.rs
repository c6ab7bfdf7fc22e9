//! One line of a log.

use std::fmt::Debug;

use serde_json::{Number, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::{Durations, Format};
use crate::clock::Timestamp;
use crate::model::{escape_json, escape_line};

/// The fields that come first, in this order.
const FIRST: [&str; 7] =
    ["action", "command", "phase", "tombstone", "actor", "duration_ms", "backend"];

const DURATION: &str = "duration_ms";

/// What an event says.
pub struct Line {
    at: Timestamp,
    level: &'static str,
    fields: Fields,
}

impl Line {
    /// What `event` says; `None` of a phase where durations are left out.
    pub fn of(event: &Event<'_>, at: Timestamp, durations: Durations) -> Option<Self> {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        if durations == Durations::LeftOut {
            if fields.get("phase").is_some() {
                return None;
            }
            fields.0.retain(|(name, _)| *name != DURATION);
        }
        fields.0.sort_by_key(|(name, _)| {
            FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len())
        });
        Some(Self { at, level: word(*event.metadata().level()), fields })
    }

    /// Its message; empty where it has none.
    pub fn message(&self) -> &str {
        self.fields.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// The line in `format`, line feed included.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Json => self.json(),
            Format::Text => self.text(),
        }
    }

    fn json(&self) -> String {
        let mut out = format!("{{\"ts\":\"{}\",\"level\":\"{}\"", self.at, self.level);
        for (name, value) in &self.fields.0 {
            out.push_str(&format!(",\"{name}\":{value}"));
        }
        out.push('}');
        let mut line = escape_json(&out);
        line.push('\n');
        line
    }

    fn text(&self) -> String {
        let mut out = format!("{} {:<7}", self.at, self.level);
        for (name, value) in self.fields.0.iter().filter(|(name, _)| *name != "message") {
            match (*name, value) {
                ("action", Value::String(action)) => out.push_str(&format!(" {action}")),
                (name, Value::String(text)) if is_word(text) => {
                    out.push_str(&format!(" {name}={text}"));
                }
                (name, value) => out.push_str(&format!(" {name}={value}")),
            }
        }
        if !self.message().is_empty() {
            out.push_str(&format!(": {}", self.message()));
        }
        let mut line = escape_line(&out);
        line.push('\n');
        line
    }
}

/// Whether `text` needs no quotes behind `key=`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '='))
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        _ => "debug",
    }
}

struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Number::from_f64(value).map_or(Value::Null, Value::Number));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }
}
