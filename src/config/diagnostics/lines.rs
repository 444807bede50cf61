//! Diagnostics with a line for each: for the problem lists of editors, and for CI.

use super::{Diagnostic, Diagnostics, printable};

impl Diagnostics {
    /// A line for each, `FILE:LINE:COLUMN: error: MESSAGE [CODE]`, as compilers write them and editors read them. What is about a file as a whole is in
    /// its first line.
    pub fn short(&self) -> String {
        let line = |d: &Diagnostic| {
            let (line, column) = d.place();
            format!("{}:{line}:{column}: {}: {} [{}]\n", d.file, d.severity.as_str(), d.in_one_line(), d.code)
        };
        self.iter().map(line).collect()
    }

    /// A line for each, as GitHub Actions takes them for annotations of the file (workflow commands).
    pub fn github(&self) -> String {
        let line = |d: &Diagnostic| {
            let (line, column) = d.place();
            let file = escaped(&d.file).replace(':', "%3A").replace(',', "%2C");
            let end = if d.end_column > 0 { format!(",endColumn={}", d.end_column) } else { String::new() };
            format!(
                "::{} file={file},line={line},col={column}{end},title={}::{}\n",
                d.severity.as_str(),
                d.code,
                escaped(&d.in_one_line())
            )
        };
        self.iter().map(line).collect()
    }
}

impl Diagnostic {
    /// Its line and column; those of the first character when it is about the file as a whole.
    fn place(&self) -> (usize, usize) {
        (self.line.max(1), self.column.max(1))
    }

    /// What is wrong and what to do about it. No character in it drives a terminal.
    fn in_one_line(&self) -> String {
        let mut text = self.message.clone();
        if let Some(name) = &self.suggestion {
            text.push_str(&format!("; did you mean `{name}`?"));
        }
        if let Some(expected) = &self.expected {
            text.push_str(&format!("; expected {expected}"));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("; {help}"));
        }
        text.chars().map(printable).collect()
    }
}

/// The characters that end a workflow command, as it writes them.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
