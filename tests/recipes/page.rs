//! A page of docs/recipes, taken apart into what a reader does with it.

use std::path::PathBuf;

/// Where the pages are.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recipes"))
}

/// A part of a page under a heading of its own (`## Files`). What comes before the first one is under `""`.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    pub heading: String,
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// To be saved under this name: the last one in backticks in the line before the block, which ends with a colon.
    File { name: String, text: String },
    /// ```` ```console ````: commands, and what they print.
    Console(Vec<Command>),
}

/// A line that begins with `$ `, with those that go on with it (`> `), and the lines after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    pub line: String,
    pub prints: String,
}

/// The sections of a page. A block that is neither a named file nor commands is a defect of the page.
pub fn sections(markdown: &str) -> Vec<Section> {
    let mut sections = vec![Section { heading: String::new(), blocks: Vec::new() }];
    let (mut before, mut lines) = ("", markdown.lines());
    while let Some(line) = lines.next() {
        assert!(!line.starts_with(' ') || !line.trim_start().starts_with("```"), "a block that is indented: {line}");
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push(Section { heading: heading.to_owned(), blocks: Vec::new() });
        } else if let Some(language) = line.strip_prefix("```") {
            let text: String = lines.by_ref().take_while(|line| *line != "```").flat_map(|l| [l, "\n"]).collect();
            sections.last_mut().unwrap().blocks.push(block(language, before, text));
        }
        before = if line.is_empty() { before } else { line };
    }
    sections
}

fn block(language: &str, before: &str, text: String) -> Block {
    if language == "console" {
        return Block::Console(commands(&text));
    }
    let name = before.strip_suffix("`:").and_then(|before| before.rsplit_once('`'));
    let (_, name) =
        name.unwrap_or_else(|| panic!("the line before a file ends with \"`NAME`:\", and not so: {before}"));
    Block::File { name: name.to_owned(), text }
}

fn commands(text: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(Command { line: command.to_owned(), prints: String::new() });
            continue;
        }
        let last = commands.last_mut().unwrap_or_else(|| panic!("{line:?} is printed by no command"));
        match line.strip_prefix("> ") {
            Some(more) if last.prints.is_empty() => last.line.extend(["\n", more]),
            _ => last.prints.extend([line, "\n"]),
        }
    }
    commands
}

#[test]
fn a_page_is_taken_apart_into_files_and_commands() {
    let page = "# T\n\nText.\n\n## Files\n\nThis is `proxy.toml`:\n\n```toml\na = 1\n\nb = 2\n```\n\n## Try it\n\n```console\n$ one\nout\n$ two \\\n> more\n```\n";
    let command = |line: &str, prints: &str| Command { line: line.to_owned(), prints: prints.to_owned() };
    let expected = [
        ("", vec![]),
        ("Files", vec![Block::File { name: "proxy.toml".to_owned(), text: "a = 1\n\nb = 2\n".to_owned() }]),
        ("Try it", vec![Block::Console(vec![command("one", "out\n"), command("two \\\nmore", "")])]),
    ];
    let expected = expected.map(|(heading, blocks)| Section { heading: heading.to_owned(), blocks });
    assert_eq!(sections(page), expected);
}
