//! Files of a room that need each other: none of them can be read, tested or moved without the rest.
//!
//! A file may use what its module's root (`mod.rs`, or the file above the folder) defines, and a root its children: that is
//! what a root is for. What the root only hands on by `use` counts as what it is, a use of the file that defines it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::rust_text::is_word;
use super::sources::File;

/// A file that is used, and the line where.
type Use = (usize, usize);

/// The circles of each room, each with its room and, for people, with the files and lines that make it.
pub fn circles(files: &[File]) -> Vec<(String, String)> {
    let house = House::new(files);
    let uses: Vec<Vec<Use>> = (0..files.len()).map(|file| house.uses(file)).collect();
    let shortest: BTreeSet<Vec<usize>> = (0..files.len()).filter_map(|file| shortest_circle(&uses, file)).collect();
    let told = shortest.iter().map(|circle| (house.modules[circle[0]][0].to_owned(), house.tell(circle, &uses)));
    told.collect()
}

/// All files with what their paths mean.
struct House<'a> {
    files: &'a [File],
    modules: Vec<Vec<&'a str>>,
    by_module: HashMap<Vec<&'a str>, usize>,
    paths: Vec<Vec<Path<'a>>>,
}

/// A path in a file, split at `::`.
struct Path<'a> {
    line: usize,
    parts: Vec<&'a str>,
    /// The name that it has in this file where it is the path of a `use`.
    name: Option<&'a str>,
}

impl<'a> House<'a> {
    fn new(files: &'a [File]) -> Self {
        let modules: Vec<_> = files.iter().map(File::module).collect();
        let by_module = modules.iter().cloned().enumerate().map(|(file, module)| (module, file)).collect();
        Self { files, modules, by_module, paths: files.iter().map(|file| paths(&file.code)).collect() }
    }

    /// The other files of its room that a file uses.
    fn uses(&self, file: usize) -> Vec<Use> {
        let own = &self.modules[file];
        let mut found: Vec<Use> = Vec::new();
        for path in &self.paths[file] {
            let Some(used) = self.file_of(file, &path.parts, 0) else { continue };
            let module = &self.modules[used];
            let is_in_line = module.starts_with(own) || own.starts_with(module);
            if module.first() == own.first() && !is_in_line && found.iter().all(|(known, _)| *known != used) {
                found.push((used, path.line));
            }
        }
        found
    }

    /// The file that defines what a path in `file` means; `hops` roots have handed it on so far.
    fn file_of(&self, file: usize, parts: &[&'a str], hops: usize) -> Option<usize> {
        let mut module = match parts.first() {
            Some(&"crate") => Vec::new(),
            _ => self.modules[file].clone(),
        };
        let mut parts = parts.strip_prefix(&["crate"]).unwrap_or(parts).iter().peekable();
        let mut found = self.by_module.get(&module).copied();
        for part in parts.by_ref() {
            match *part {
                "self" => continue,
                "super" => _ = module.pop(),
                name => module.push(name),
            }
            match self.by_module.get(&module) {
                Some(below) => found = Some(*below),
                None => break,
            }
        }
        // the first name that is no module: what the last one defines, or hands on
        let name = module.pop().filter(|_| found.is_some_and(|file| self.modules[file] == module));
        let handed_on = name.and_then(|name| self.paths[found?].iter().find(|path| path.name == Some(name)));
        match (found, handed_on) {
            (Some(root), Some(path)) if hops < 8 && root != file => self.file_of(root, &path.parts, hops + 1).or(found),
            _ => found,
        }
    }

    /// `src/a.rs:1 uses src/b.rs, src/b.rs:2 uses src/a.rs`.
    fn tell(&self, circle: &[usize], uses: &[Vec<Use>]) -> String {
        let next = circle.iter().cycle().skip(1);
        let arrows = circle.iter().zip(next).map(|(from, to)| {
            let line = uses[*from].iter().find(|(used, _)| used == to).map_or(0, |(_, line)| *line);
            format!("src/{}:{line} uses src/{}", self.files[*from].name, self.files[*to].name)
        });
        arrows.collect::<Vec<_>>().join(", ")
    }
}

/// The shortest way from a file back to it, its first file (in the order of the house) first.
fn shortest_circle(uses: &[Vec<Use>], start: usize) -> Option<Vec<usize>> {
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for (used, _) in &uses[file] {
            if *used == start {
                let mut circle = vec![file];
                while let Some(before) = came_from.get(&circle[circle.len() - 1]) {
                    circle.push(*before);
                }
                circle.reverse();
                let first = circle.iter().enumerate().min_by_key(|(_, file)| **file).map_or(0, |(at, _)| at);
                circle.rotate_left(first);
                return Some(circle);
            }
            if !came_from.contains_key(used) && *used != start {
                came_from.insert(*used, file);
                queue.push_back(*used);
            }
        }
    }
    None
}

/// All paths in blanked code: those of `use`, with their groups taken apart, and those that begin with `crate`, `self` or `super`.
fn paths(code: &str) -> Vec<Path<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut in_use = false;
    while let Some(start) = code[at..].find(is_word).map(|start| at + start) {
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |length| start + length);
        let word = &code[start..end];
        // `use<'a>` in a type is no import
        in_use |= word == "use" && !code[end..].starts_with('<');
        let begins_path = matches!(word, "crate" | "self" | "super") && code[end..].trim_start().starts_with("::");
        let path_of_use = in_use && word != "use";
        at = end;
        if path_of_use || begins_path {
            let line = 1 + code[..start].matches('\n').count();
            let mut tree = Tree { code: &code[start..], line, is_use: path_of_use, found: &mut found };
            tree.read(&[]);
            at = code.len() - tree.code.len();
            in_use = false;
        }
    }
    found
}

/// Reads a path, or the tree of a `use`.
struct Tree<'a, 'b> {
    /// What is still to be read.
    code: &'a str,
    line: usize,
    is_use: bool,
    found: &'b mut Vec<Path<'a>>,
}

impl<'a> Tree<'a, '_> {
    /// Reads what follows `before`, as far as it goes.
    fn read(&mut self, before: &[&'a str]) {
        let mut parts = before.to_vec();
        loop {
            if self.is_use && self.takes("{") {
                while !self.takes("}") && !self.code.is_empty() {
                    self.read(&parts);
                    if !self.takes(",") && !self.code.trim_start().starts_with('}') {
                        return;
                    }
                }
                return;
            }
            let Some(word) = self.word() else { break };
            parts.push(word);
            if !self.takes("::") {
                break;
            }
        }
        if self.is_use && parts.last() == Some(&"self") && parts.len() > 1 {
            parts.pop();
        }
        let mut name = parts.last().copied();
        if self.is_use && self.code.trim_start().starts_with("as ") {
            self.word();
            name = self.word();
        }
        let name = name.filter(|_| self.is_use);
        self.found.push(Path { line: self.line, parts, name });
    }

    fn skip_space(&mut self) {
        let rest = self.code.trim_start();
        self.line += self.code[..self.code.len() - rest.len()].matches('\n').count();
        self.code = rest;
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.skip_space();
        let rest = self.code.strip_prefix(sign);
        self.code = rest.unwrap_or(self.code);
        rest.is_some()
    }

    fn word(&mut self) -> Option<&'a str> {
        self.skip_space();
        let (word, rest) = self.code.split_at(self.code.find(|c| !is_word(c)).unwrap_or(self.code.len()));
        self.code = rest;
        Some(word).filter(|word| !word.is_empty())
    }
}

#[cfg(test)]
mod what_it_sees {
    use super::super::sources::files_of;
    use super::*;

    /// The circles of a house with these files, in words.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files = files_of(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        circles(&files).into_iter().map(|(_, told)| told).collect()
    }

    #[test]
    fn two_files_that_use_each_other_are_told_with_their_lines() {
        let house =
            [("a/x.rs", "//! X\nuse super::y::Y;"), ("a/y.rs", "fn f() {\n    super::x::g();\n}"), ("a/mod.rs", "")];
        assert_eq!(found(&house), ["src/a/x.rs:2 uses src/a/y.rs, src/a/y.rs:2 uses src/a/x.rs"]);
        let (room, _) = circles(&files_of(house.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())))).remove(0);
        assert_eq!(room, "a");
    }

    #[test]
    fn longer_circles_are_seen_and_told_once() {
        let house = [
            ("a/x.rs", "use crate::a::{\n    y,\n};"),
            ("a/y.rs", "use super::{z::{Z, deeper::W as V}};"),
            ("a/z.rs", "use crate::a::x::{self, X};"),
            ("a/mod.rs", ""),
        ];
        let circle = "src/a/x.rs:2 uses src/a/y.rs, src/a/y.rs:1 uses src/a/z.rs, src/a/z.rs:1 uses src/a/x.rs";
        assert_eq!(found(&house), [circle]);
    }

    #[test]
    fn a_root_and_its_children_may_use_each_other() {
        assert!(found(&[("a/mod.rs", "mod x;\nuse x::X;"), ("a/x.rs", "use super::A;")]).is_empty());
        assert!(
            found(&[
                ("a/b.rs", "mod x;\nuse x::X;"),
                ("a/b/x.rs", "use super::A;\nuse crate::a::Z;"),
                ("a.rs", "use self::b::x;")
            ])
            .is_empty()
        );
    }

    #[test]
    fn what_a_root_only_hands_on_is_its_childs() {
        let root = "mod x;\nmod y;\npub use x::{X, inner::W as V};";
        let circle = "src/a/x.rs:1 uses src/a/y.rs, src/a/y.rs:1 uses src/a/x.rs";
        for name in ["use super::X;", "use crate::a::X;", "use super::{V};", "type T = super::V;"] {
            assert_eq!(
                found(&[("a/mod.rs", root), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", name)]),
                [circle],
                "{name}"
            );
        }
        assert!(found(&[("a/mod.rs", root), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use super::W;")]).is_empty());
    }

    #[test]
    fn tests_and_other_rooms_are_not_looked_at() {
        let tested = "#[cfg(test)]\nmod tests {\n    use crate::a::y;\n}\n#[cfg(test)]\npub(super) mod testing;";
        assert!(found(&[("a/x.rs", tested), ("a/y.rs", "use super::x;")]).is_empty());
        assert!(
            found(&[("a/x.rs", tested), ("a/x/testing.rs", "use crate::a::y;"), ("a/y.rs", "use super::x::testing;")])
                .is_empty()
        );
        assert!(found(&[("a/x.rs", "use crate::b::y;"), ("b/y.rs", "use crate::a::x;")]).is_empty());
    }

    #[test]
    fn words_that_only_look_like_paths_are_none() {
        let texts = [
            ("a/x.rs", "// use super::y;\nconst A: &str = \"super::y::z\"; fn f(&self) { self.y() }"),
            ("a/y.rs", "use super::x;"),
        ];
        assert!(found(&texts).is_empty());
    }
}
