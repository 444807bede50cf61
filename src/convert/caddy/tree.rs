//! Sites and directives of a Caddyfile, with what is imported in its place.

use std::collections::HashMap;
use std::rc::Rc;

use super::lexer::{self, Token};
use crate::convert::original::Original;
use crate::convert::output::{Findings, Place};

/// Imports in imports, at most.
const DEEPEST: usize = 16;

/// Blocks in blocks, at most.
const DEEPEST_BLOCK: usize = 64;

/// Directives that imports may make of a file, at most.
const MOST: usize = 20_000;

/// A directive with its arguments and its block.
#[derive(Debug, Clone)]
pub struct Directive {
    /// Its name and where it stands.
    pub name: Token,
    /// What follows on the line.
    pub args: Vec<Token>,
    /// What is in its braces; `None` = it has none.
    pub block: Option<Vec<Directive>>,
}

impl Directive {
    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.name.place
    }

    /// Its name.
    pub fn word(&self) -> &str {
        &self.name.text
    }

    /// The argument at this place.
    pub fn arg(&self, index: usize) -> Option<&str> {
        self.args.get(index).map(|token| token.text.as_str())
    }

    /// What is in its block, which may not be there.
    pub fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// All arguments as text.
    pub fn texts(&self) -> Vec<&str> {
        self.args.iter().map(|token| token.text.as_str()).collect()
    }
}

/// A site: its addresses, and what is done there.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its addresses.
    pub keys: Vec<Token>,
    /// What is done.
    pub body: Vec<Directive>,
}

/// A file.
#[derive(Debug, Default)]
pub struct Tree {
    /// Global options.
    pub options: Vec<Directive>,
    /// Sites in the order of the file.
    pub sites: Vec<Site>,
    /// Named routes, for `invoke`.
    pub routes: HashMap<String, Vec<Directive>>,
}

/// Reads a file with what it imports.
pub fn read(original: &Original<'_>, findings: &mut Findings) -> Option<Tree> {
    let file: Rc<str> = Rc::from(original.file);
    let tokens = match lexer::tokens(original.text, &file) {
        Ok(tokens) => tokens,
        Err((line, reason)) => {
            findings.error(&Place::new(&file, line), "", format!("it can't be read: {reason}"), "");
            return None;
        }
    };
    let mut reader =
        Reader { original, findings, snippets: HashMap::new(), tree: Tree::default(), blocks: 0, imported: 0 };
    if reader.file(&tokens, 0) { Some(reader.tree) } else { None }
}

struct Reader<'a, 'b> {
    original: &'a Original<'a>,
    findings: &'b mut Findings,
    snippets: HashMap<String, Vec<Directive>>,
    tree: Tree,
    /// Blocks around the place.
    blocks: usize,
    /// Directives that imports have made.
    imported: usize,
}

impl Reader<'_, '_> {
    fn file(&mut self, tokens: &[Token], depth: usize) -> bool {
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at].is("{") && self.tree.sites.is_empty() && self.tree.options.is_empty() {
                let Some((body, end)) = self.block(tokens, at, depth) else { return false };
                self.tree.options = body;
                at = end;
                continue;
            }
            if tokens[at].is("import") {
                let end = line_end(tokens, at);
                if !self.import_file(&tokens[at..end], depth) {
                    return false;
                }
                at = end;
                continue;
            }
            let Some(open) = (at..tokens.len()).find(|index| tokens[*index].is("{")) else {
                return self.bare(&tokens[at..], depth);
            };
            // a file with one site needs no braces: then the first line is its addresses, and a brace comes later
            let mut first = line_end(tokens, at);
            while first < tokens.len() && tokens[first - 1].text.ends_with(',') {
                first = line_end(tokens, first);
            }
            if open >= first && self.tree.sites.is_empty() {
                return self.bare(&tokens[at..], depth);
            }
            let keys = &tokens[at..open];
            let Some((body, end)) = self.block(tokens, open, depth) else { return false };
            self.site(keys, body);
            at = end;
        }
        true
    }

    /// A site without braces.
    fn bare(&mut self, tokens: &[Token], depth: usize) -> bool {
        let mut first = line_end(tokens, 0);
        while first < tokens.len() && tokens[first - 1].text.ends_with(',') {
            first = line_end(tokens, first);
        }
        let Some((body, _)) = self.directives(tokens, first, depth, false) else { return false };
        self.site(&tokens[..first], body);
        true
    }

    fn site(&mut self, keys: &[Token], body: Vec<Directive>) {
        let split = |key: &Token| -> Vec<Token> {
            key.text.split(',').filter(|text| !text.is_empty()).map(|text| key.with(text.to_owned())).collect()
        };
        let keys: Vec<Token> = keys.iter().flat_map(split).collect();
        if let [key] = &keys[..] {
            if let Some(name) = key.text.strip_prefix("&(").and_then(|rest| rest.strip_suffix(')')) {
                self.tree.routes.insert(name.to_owned(), body);
                return;
            }
            if let Some(name) = key.text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
                self.snippets.insert(name.to_owned(), body);
                return;
            }
        }
        self.tree.sites.push(Site { keys, body });
    }

    /// The directives between the brace at `open` and the one that closes it.
    fn block(&mut self, tokens: &[Token], open: usize, depth: usize) -> Option<(Vec<Directive>, usize)> {
        self.directives(tokens, open + 1, depth, true)
    }

    /// The directives from `begin` on, up to the brace that closes them, or to the end where there is none around them.
    fn directives(
        &mut self,
        tokens: &[Token],
        begin: usize,
        depth: usize,
        braces: bool,
    ) -> Option<(Vec<Directive>, usize)> {
        self.blocks += 1;
        let all = self.lines(tokens, begin, depth, braces);
        self.blocks -= 1;
        all
    }

    fn lines(&mut self, tokens: &[Token], begin: usize, depth: usize, braces: bool) -> Option<(Vec<Directive>, usize)> {
        let mut all = Vec::new();
        let mut at = begin;
        loop {
            if self.blocks > DEEPEST_BLOCK
                && let Some(token) = tokens.get(at)
            {
                self.findings.error(&token.place, "", "blocks lie too deep in each other", "");
                return None;
            }
            let Some(name) = tokens.get(at) else {
                if braces && let Some(open) = tokens.get(begin.saturating_sub(1)) {
                    self.findings.error(&open.place, "{", "this brace is not closed", "");
                    return None;
                }
                return Some((all, at));
            };
            if name.is("}") {
                if !braces {
                    self.findings.error(&name.place, "}", "this brace closes nothing", "");
                    return None;
                }
                return Some((all, at + 1));
            }
            let end = line_end(tokens, at);
            let mut args = tokens[at + 1..end].to_vec();
            at = end;
            let mut block = None;
            if args.last().is_some_and(|token| token.is("{")) {
                args.pop();
                let (inner, end) = self.directives(tokens, at, depth, true)?;
                (block, at) = (Some(inner), end);
            }
            let directive = Directive { name: name.clone(), args, block };
            if name.is("import") { self.import(&directive, &mut all, depth)? } else { all.push(directive) }
        }
    }

    /// What stands in place of an `import` within a site.
    fn import(&mut self, import: &Directive, all: &mut Vec<Directive>, depth: usize) -> Option<()> {
        let name = import.arg(0).unwrap_or_default();
        if depth >= DEEPEST || self.imported > MOST {
            self.findings.error(import.place(), "import", "imports contain each other, or make too much", "");
            return None;
        }
        let args: Vec<&Token> = import.args.iter().skip(1).collect();
        if let Some(body) = self.snippets.get(name).cloned() {
            let body = filled(&body, &args, import.inner());
            self.imported += count(&body);
            all.extend(body);
            return Some(());
        }
        let Some(files) = self.imported(name, import.place()) else { return Some(()) };
        for (file, text) in files {
            let file: Rc<str> = Rc::from(file);
            match lexer::tokens(&text, &file) {
                Ok(tokens) => {
                    let (body, _) = self.directives(&tokens, 0, depth + 1, false)?;
                    all.extend(filled(&body, &args, import.inner()));
                }
                Err((line, reason)) => {
                    self.findings.error(&Place::new(&file, line), "", format!("it can't be read: {reason}"), "");
                    return None;
                }
            }
        }
        Some(())
    }

    /// Sites of another file, or of a snippet.
    fn import_file(&mut self, tokens: &[Token], depth: usize) -> bool {
        let name = tokens.get(1).map(|token| token.text.clone()).unwrap_or_default();
        if self.snippets.contains_key(&name) || depth >= DEEPEST {
            self.findings.error(&tokens[0].place, "import", "this can't be imported here", "");
            return false;
        }
        let Some(files) = self.imported(&name, &tokens[0].place) else { return true };
        files.into_iter().all(|(file, text)| {
            let file: Rc<str> = Rc::from(file);
            match lexer::tokens(&text, &file) {
                Ok(tokens) => self.file(&tokens, depth + 1),
                Err((line, reason)) => {
                    self.findings.error(&Place::new(&file, line), "", format!("it can't be read: {reason}"), "");
                    false
                }
            }
        })
    }

    fn imported(&mut self, name: &str, place: &Place) -> Option<Vec<(String, String)>> {
        match (self.original.files)(name) {
            Ok(files) => Some(files),
            Err(_) if name.contains('*') => None,
            Err(reason) => {
                let why = format!("`{name}` is no snippet, and can't be read ({reason}): what it does is left out");
                self.findings.error(place, "import", why, "give it the place that the file says");
                None
            }
        }
    }
}

/// Directives with those in their blocks.
fn count(body: &[Directive]) -> usize {
    body.iter().map(|directive| 1 + count(directive.inner())).sum()
}

/// The index behind the last token of the line that begins at `at`.
fn line_end(tokens: &[Token], at: usize) -> usize {
    let mut end = at + 1;
    while end < tokens.len()
        && !tokens[end - 1].before_line_of(&tokens[end])
        && !tokens[end].is("}")
        && !tokens[end - 1].is("{")
    {
        end += 1;
    }
    end
}

/// Directives with the arguments of the import in place of `{args[0]}`, and its block in place of `{block}`.
fn filled(body: &[Directive], args: &[&Token], block: &[Directive]) -> Vec<Directive> {
    let mut all = Vec::new();
    for directive in body {
        if directive.name.is("{block}") {
            all.extend(block.iter().cloned());
            continue;
        }
        let names = fill(&directive.name, args);
        let mut words = names.into_iter().chain(directive.args.iter().flat_map(|token| fill(token, args)));
        let Some(name) = words.next() else { continue };
        let inner = directive.block.as_ref().map(|inner| filled(inner, args, block));
        all.push(Directive { name, args: words.collect(), block: inner });
    }
    all
}

fn fill(token: &Token, args: &[&Token]) -> Vec<Token> {
    if !token.text.contains("{args") {
        return vec![token.clone()];
    }
    // a range is several words where it is a word of its own
    if let Some(range) = token.text.strip_prefix("{args[").and_then(|rest| rest.strip_suffix("]}"))
        && let Some((from, to)) = range.split_once(':')
    {
        let from = from.parse::<usize>().unwrap_or(0).min(args.len());
        let to = to.parse::<usize>().unwrap_or(args.len()).min(args.len());
        return args.get(from..to).unwrap_or_default().iter().map(|arg| token.with(arg.text.clone())).collect();
    }
    let mut text = token.text.clone();
    for (index, arg) in args.iter().enumerate() {
        text = text.replace(&format!("{{args[{index}]}}"), &arg.text).replace(&format!("{{args.{index}}}"), &arg.text);
    }
    vec![token.with(text)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        let files = |name: &str| {
            if name == "more.caddy" {
                Ok(vec![(name.to_owned(), "header x {args[0]}\n".to_owned())])
            } else {
                Err("none".to_owned())
            }
        };
        let mut findings = Findings::default();
        let tree = read(&Original { file: "Caddyfile", text, files: &files }, &mut findings);
        tree.unwrap_or_else(|| panic!("{}", findings.list()))
    }

    fn told(body: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let words: Vec<_> = std::iter::once(directive.word()).chain(directive.texts()).collect();
            let inner = directive.block.as_ref().map(|inner| format!(" {{ {} }}", told(inner))).unwrap_or_default();
            format!("{}{inner}", words.join(" "))
        };
        body.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn sites_have_addresses_and_directives() {
        let found = tree(
            "{\n\tdebug\n}\na.com, b.com,\nc.com {\n\thandle /x/* {\n\t\trespond \"hi\" 200\n\t}\n\tencode gzip\n}\n:80 {\n}\n",
        );
        assert_eq!(told(&found.options), "debug");
        assert_eq!(
            found.sites[0].keys.iter().map(|key| key.text.as_str()).collect::<Vec<_>>(),
            ["a.com", "b.com", "c.com"]
        );
        assert_eq!(told(&found.sites[0].body), "handle /x/* { respond hi 200 }; encode gzip");
        assert_eq!(found.sites.len(), 2);
    }

    #[test]
    fn a_single_site_needs_no_braces() {
        let found = tree("localhost\n\nreverse_proxy 127.0.0.1:1 {\n\tlb_policy first\n}\nfile_server\n");
        assert_eq!(told(&found.sites[0].body), "reverse_proxy 127.0.0.1:1 { lb_policy first }; file_server");
    }

    #[test]
    fn snippets_and_files_are_imported_with_their_arguments() {
        let text = "(app) {\n\thandle {args[0]} {\n\t\treverse_proxy {args[1:]}\n\t\t{block}\n\t}\n}\na.com {\n\timport app /x/* u1 u2 {\n\t\tlog\n\t}\n\timport more.caddy v\n}\n";
        assert_eq!(told(&tree(text).sites[0].body), "handle /x/* { reverse_proxy u1 u2; log }; header x v");
    }

    #[test]
    fn a_brace_that_is_not_closed_is_told() {
        let mut findings = Findings::default();
        let files = |_: &str| Err(String::new());
        assert!(
            read(&Original { file: "a", text: "a.com {\n\thandle {\n}\n", files: &files }, &mut findings).is_none()
        );
        assert_eq!(findings.all()[0].place.line, 1);
    }
}
