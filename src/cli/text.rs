//! Text for people, and the tables in it.
//!
//! Promises: whatever is put in comes out on its own line, with control characters escaped, so
//! that no value of an archive or a repository can move the cursor or forge a line.

use anstyle::AnsiColor;
pub use anstyle::Style;

use crate::model::escape_line;

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Worth a look.
pub const ODD: Style = AnsiColor::Yellow.on_default();
/// What stands out.
pub const STRONG: Style = Style::new().bold();
/// What stays in the background.
pub const FAINT: Style = Style::new().dimmed();
/// Nothing special.
pub const PLAIN: Style = Style::new();

/// Lines for a terminal; styles are escape codes, which the terminal's stream takes out again
/// where they are not wanted.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// One line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.parts(&[(PLAIN, text.as_ref())]);
    }

    /// One line of parts in styles of their own.
    pub fn parts(&mut self, parts: &[(Style, &str)]) {
        for (style, text) in parts {
            self.piece(*style, text);
        }
        self.0.push('\n');
    }

    fn piece(&mut self, style: Style, text: &str) {
        let text = escape_line(text);
        if style == PLAIN {
            self.0.push_str(&text);
        } else {
            self.0.push_str(&format!("{style}{text}{style:#}"));
        }
    }

    /// `name: value`, values below one another.
    pub fn field(&mut self, name: &str, value: impl AsRef<str>) {
        let label = format!("{:<14}", format!("{name}: "));
        self.parts(&[(FAINT, &label), (PLAIN, value.as_ref())]);
    }

    /// Text that has its own line feeds.
    pub fn block(&mut self, text: &str) {
        text.lines().for_each(|line| self.line(line));
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.0.push('\n');
    }

    /// Rows below a head, in columns as wide as their widest value; the last one is not filled up.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| escape_line(cell)).collect()).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(head.get(column).map_or(0, |name| name.chars().count()))
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let join = |cells: &[String]| {
            let mut line = String::new();
            for (at, cell) in cells.iter().enumerate() {
                if at + 1 == cells.len() {
                    line.push_str(cell);
                } else {
                    line.push_str(&format!("{cell:<width$}  ", width = widths[at]));
                }
            }
            line.truncate(line.trim_end().len());
            line
        };
        let head: Vec<String> = head.iter().map(ToString::to_string).collect();
        self.parts(&[(FAINT, &join(&head))]);
        rows.iter().for_each(|row| self.line(join(row)));
    }

    /// All of it, escape codes included.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `2 files`.
pub fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        let mut text = Text::default();
        text.line("a\u{1b}[2Jb\nc");
        text.table(&["x", "y"], &[vec!["1\r".to_owned(), "\u{7}".to_owned()]]);
        assert!(!text.as_str().contains(['\r', '\u{7}']) && !text.as_str().contains("\u{1b}[2J"));
        assert_eq!(text.as_str().lines().count(), 3);
    }

    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let mut text = Text::default();
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        text.table(&["id", "path"], &[row("é✓x", "p"), row("1", "longer")]);
        let lines: Vec<&str> = text.as_str().lines().skip(1).collect();
        assert_eq!(lines, ["é✓x  p", "1    longer"]);
    }

    #[test]
    fn numbers() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(2, "file"), "2 files");
    }
}
