//! JSON that steers no terminal.

use super::is_bidi_control;

/// The same JSON, with what steers a terminal escaped: serde leaves DEL, the C1 and the bidi
/// characters as they are. They can stand in strings only.
pub fn escape_json(json: &str) -> String {
    let steers = |c: char| (c.is_control() && c != '\n') || is_bidi_control(c);
    if !json.contains(steers) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            c if steers(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_steers_no_terminal_and_means_the_same() {
        let value = serde_json::json!({"a": "\u{1b}[2J\u{9b}1m\u{7f}\u{202e}é\n", "b": [1]});
        let text = escape_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || is_bidi_control(c)));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
