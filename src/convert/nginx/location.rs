//! `location`: which paths, and what becomes of their requests.

use super::parse::Directive;
use super::world::Scope;
use crate::convert::expression;

/// Which paths a location takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `= /x`
    Exact(String),
    /// `/x`
    Prefix(String),
    /// `^~ /x`: before expressions.
    First(String),
    /// `~ x`, with its flags.
    Regex(String),
    /// `@x`
    Named,
}

/// A location with the blocks around it.
#[derive(Clone)]
pub struct Location<'a> {
    /// Which paths it takes.
    pub kind: Kind,
    /// The blocks around what is in it, itself included.
    pub scope: Scope<'a>,
    /// The location.
    pub directive: &'a Directive,
    /// The locations around it, by their numbers in the list of all, the outermost first.
    pub around: Vec<usize>,
}

/// The locations of a block and those in them, in the order of the file.
pub fn all<'a>(scope: &Scope<'a>, block: &'a Directive) -> Vec<Location<'a>> {
    let mut found = Vec::new();
    gather(scope, block, &[], &mut found);
    found
}

fn gather<'a>(scope: &Scope<'a>, block: &'a Directive, around: &[usize], found: &mut Vec<Location<'a>>) {
    for directive in block.inner().iter().filter(|directive| directive.name == "location") {
        let scope = scope.within(directive);
        let number = found.len();
        found.push(Location { kind: kind(&directive.args), scope: scope.clone(), directive, around: around.to_vec() });
        gather(&scope, directive, &[around, &[number]].concat(), found);
    }
}

fn kind(args: &[String]) -> Kind {
    let joined = args.concat();
    let modified = |begin: &str| joined.strip_prefix(begin).map(str::to_owned);
    if let Some(path) = modified("^~") {
        Kind::First(encoded(&path))
    } else if let Some(path) = modified("=") {
        Kind::Exact(encoded(&path))
    } else if let Some(regex) = modified("~*") {
        Kind::Regex(expression::insensitive(&expression::of_path(&regex)))
    } else if let Some(regex) = modified("~") {
        Kind::Regex(expression::of_path(&regex))
    } else if joined.starts_with('@') {
        Kind::Named
    } else {
        Kind::Prefix(encoded(&joined))
    }
}

/// A decoded path as routes compare it: what is no visible ASCII is percent-encoded, and so is what would begin an escape, a query or a fragment.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?' | b'#');
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Whether a block does the work of a proxy, or what else it does with requests.
#[derive(Debug, Clone, Copy)]
pub enum Work<'a> {
    /// `proxy_pass` or `grpc_pass`
    Pass(&'a Directive),
    /// `return`
    Return(&'a Directive),
    /// Programs that are spoken to by another protocol, or something that is made here.
    Program(&'a Directive),
    /// Files.
    Files(Option<&'a Directive>),
}

/// What a location does.
pub fn work<'a>(scope: &Scope<'a>) -> Work<'a> {
    let here = |name: &str| scope.here(name).into_iter().last();
    if let Some(directive) = here("return") {
        return Work::Return(directive);
    }
    if let Some(directive) = here("proxy_pass").or_else(|| here("grpc_pass")) {
        return Work::Pass(directive);
    }
    const PROGRAMS: [&str; 14] = [
        "fastcgi_pass",
        "uwsgi_pass",
        "scgi_pass",
        "memcached_pass",
        "redis_pass",
        "stub_status",
        "api",
        "dav_methods",
        "flv",
        "mp4",
        "empty_gif",
        "content_by_lua_block",
        "js_content",
        "perl",
    ];
    if let Some(directive) = PROGRAMS.iter().find_map(|name| here(name)) {
        return Work::Program(directive);
    }
    Work::Files(["alias", "root", "try_files", "index", "autoindex"].iter().find_map(|name| here(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_modifiers() {
        let of = |args: &[&str]| kind(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["/a"]), Kind::Prefix("/a".into()));
        assert_eq!(of(&["=", "/a"]), Kind::Exact("/a".into()));
        assert_eq!(of(&["=/a"]), Kind::Exact("/a".into()));
        assert_eq!(of(&["^~", "/a"]), Kind::First("/a".into()));
        assert_eq!(of(&["~*", r"\.php$"]), Kind::Regex(r"(?i)\.php$".into()));
        assert_eq!(of(&["@app"]), Kind::Named);
        assert_eq!(of(&["/a b/ü%41?"]), Kind::Prefix("/a%20b/%C3%BC%2541%3F".into()));
    }
}
