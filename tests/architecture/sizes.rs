//! How long files and functions are: a file is one thought, and a function fits on a screen.

use super::rust_text::{block, is_word};
use super::sources::File;

/// The most lines of a file, comments included, tests left out.
pub const FILE: usize = 400;
/// The most lines of a function, from its `fn` to its closing brace.
pub const FUNCTION: usize = 60;

/// What is longer than it may be, as `path` or `path function`, each with a sentence for people.
pub fn too_long(files: &[File]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in files {
        let (name, lines) = (&file.name, file.lines);
        if lines > FILE {
            let told = format!(
                "src/{name} has {lines} lines outside tests, and a file at most {FILE}: make two thoughts of it"
            );
            found.push((name.clone(), told));
        }
        for (line, function, lines) in functions(&file.code).into_iter().filter(|(_, _, lines)| *lines > FUNCTION) {
            let told = format!("src/{name}:{line}: `{function}` has {lines} lines, and a function at most {FUNCTION}");
            found.push((format!("{name} {function}"), told));
        }
    }
    found
}

/// The functions of blanked code: the line, the name, and the number of lines of each that has a body.
fn functions(code: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let signature = code[at + "fn ".len()..].trim_start();
        let name = &signature[..signature.find(|c| !is_word(c)).unwrap_or(signature.len())];
        let Some(body) = body(signature) else { continue };
        let length = block(body).unwrap_or(body.len());
        let whole = &code[at..code.len() - body.len() + length];
        if !name.is_empty() {
            found.push((1 + code[..at].matches('\n').count(), name, whole.lines().count()));
        }
    }
    found
}

/// The code from the brace on that begins the body of a function; `None` where it has none.
fn body(signature: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(&signature[at..]),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod what_it_sees {
    use super::super::sources::files_of;
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = files_of([("a/x.rs".to_owned(), text.to_owned())].into_iter());
        too_long(&files).into_iter().map(|(what, _)| what).collect()
    }

    fn function(lines: usize) -> String {
        format!(
            "fn long<T>(a: [u8; 4], b: &dyn Fn() -> T)\nwhere\n    T: A,\n{{\n{}}}\n",
            "    b();\n".repeat(lines - 5)
        )
    }

    #[test]
    fn a_function_is_counted_from_its_name_to_its_end() {
        assert_eq!(functions(&function(60)), [(1, "long", 60)]);
        assert!(found(&function(60)).is_empty());
        assert_eq!(found(&function(61)), ["a/x.rs long"]);
        assert_eq!(functions("type F = fn (u8);\ntrait A {\n    fn f(&self);\n    fn g() {\n    }\n}"), [(4, "g", 2)]);
    }

    #[test]
    fn a_file_is_counted_without_its_tests() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    // a test\n\n    fn f() {}\n".repeat(400));
        let code = "// a comment\n".repeat(FILE);
        assert!(found(&format!("{code}{tests}")).is_empty());
        assert_eq!(found(&format!("{code}\n{tests}")), ["a/x.rs"]);
        assert!(found(&tests.replace("f()", "long() {\n\n}\nfn f()")).is_empty());
    }

    #[test]
    fn what_is_too_long_is_told_with_its_place() {
        let files = files_of([("a/x.rs".to_owned(), format!("// X\n{}", function(99)))].into_iter());
        let told: Vec<_> = too_long(&files).into_iter().map(|(_, told)| told).collect();
        assert_eq!(told, ["src/a/x.rs:2: `long` has 99 lines, and a function at most 60"]);
    }
}
