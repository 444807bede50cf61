//! Whether a command printed what the page shows.

use regex::Regex;

/// Whether this was printed. In what the page shows `...` stands for anything within a line, and alone in a line for any number of lines. How wide columns are, and
/// whether the last line has an end, makes no difference.
pub fn fits(shown: &str, printed: &str) -> bool {
    let printed: String = printed.lines().map(|line| squeezed(line) + "\n").collect();
    let mut pattern = String::from(r"\A");
    for line in shown.lines().map(squeezed) {
        if line == "..." {
            pattern.push_str(r"(?:[^\n]*\n)*");
        } else {
            let pieces: Vec<String> = line.split("...").map(regex::escape).collect();
            pattern.extend([&pieces.join(r"[^\n]*"), r"\n"]);
        }
    }
    pattern.push_str(r"\z");
    Regex::new(&pattern).unwrap().is_match(&printed)
}

/// The line with one space where there are several, and none at its end.
fn squeezed(line: &str) -> String {
    let words: Vec<&str> = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[test]
fn what_is_printed_is_compared_line_by_line() {
    assert!(fits("HTTP/1.1 200 OK\n...\n\nhello\n", "HTTP/1.1 200 OK\r\nDate: now\r\nVia: x\r\n\r\nhello"));
    assert!(fits("a ... c\n", "a     b b  c\n"));
    assert!(fits("...\nend\n", "end\n"));
    assert!(fits("", ""));
    assert!(!fits("", "something\n"));
    assert!(!fits("a\n", "a\nb\n"));
    assert!(!fits("a\nb\n", "a\n"));
    assert!(!fits("a ... c\n", "a b\nc\n"));
    assert!(!fits("200 OK\n", "1200 OK\n"));
}
