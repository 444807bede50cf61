//! What all parts of the conversion of `nginx.conf` look at: the blocks that others refer to by name, and what comes out.

use std::collections::HashMap;
use std::rc::Rc;

use super::parse::Directive;
use crate::convert::original::Original;
use crate::convert::output::{Findings, Output};

/// A zone of `limit_req_zone` or `limit_conn_zone`.
#[derive(Debug)]
pub struct Zone<'a> {
    /// What is counted apart, such as `$binary_remote_addr`.
    pub key: &'a str,
    /// `10r/s`; empty for connections.
    pub rate: &'a str,
}

/// The blocks of `http` or `stream` that others refer to.
pub struct World<'a> {
    /// What is converted.
    pub original: &'a Original<'a>,
    /// The directives directly in `http` (or in `stream`), of all such blocks.
    pub top: Vec<&'a Directive>,
    /// `upstream NAME`
    pub upstreams: HashMap<&'a str, &'a Directive>,
    /// `map KEY $NAME`, by the name of what it sets.
    pub maps: HashMap<&'a str, &'a Directive>,
    /// `geo [KEY] $NAME`
    pub geos: HashMap<&'a str, &'a Directive>,
    /// `split_clients KEY $NAME`
    pub splits: HashMap<&'a str, &'a Directive>,
    /// `limit_req_zone` and `limit_conn_zone`, by their names.
    pub zones: HashMap<&'a str, Zone<'a>>,
    /// What comes out.
    pub out: Output,
}

impl<'a> World<'a> {
    /// Gathers what `top` has, which are the directives of one kind of block.
    pub fn new(original: &'a Original<'a>, top: Vec<&'a Directive>, out: Output) -> Self {
        let mut world = Self {
            original,
            upstreams: named(&top, "upstream", false),
            maps: named(&top, "map", true),
            geos: named(&top, "geo", true),
            splits: named(&top, "split_clients", true),
            zones: HashMap::new(),
            top,
            out,
        };
        for directive in world.top.clone() {
            if !matches!(directive.name.as_str(), "limit_req_zone" | "limit_conn_zone") {
                continue;
            }
            let option = |name: &str| directive.args.iter().find_map(|arg| arg.strip_prefix(name)).unwrap_or_default();
            let name = option("zone=").split(':').next().unwrap_or_default();
            world.zones.insert(name, Zone { key: directive.arg(0), rate: option("rate=") });
        }
        world
    }

    /// What was found.
    pub fn findings(&mut self) -> &mut Findings {
        &mut self.out.findings
    }

    /// What the variable `name` is a map of: the key, and the lines of the map.
    pub fn map(&self, name: &str) -> Option<(&'a str, &'a [Directive])> {
        self.maps.get(name).map(|map| (map.arg(0), map.inner()))
    }
}

fn named<'a>(top: &[&'a Directive], block: &str, last: bool) -> HashMap<&'a str, &'a Directive> {
    let blocks = top.iter().filter(|directive| directive.name == block && directive.block.is_some());
    let name = |directive: &'a Directive| if last { directive.args.last() } else { directive.args.first() };
    blocks.filter_map(|directive| Some((name(directive)?.trim_start_matches('$'), *directive))).collect()
}

/// The directives of one block, with where each name stands among them: `http` of a large site has thousands, and is asked for each location.
struct Level<'a> {
    all: Vec<&'a Directive>,
    by_name: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Level<'a> {
    fn of(all: Vec<&'a Directive>) -> Rc<Self> {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, directive) in all.iter().enumerate() {
            by_name.entry(directive.name.as_str()).or_default().push(number);
        }
        Rc::new(Self { all, by_name })
    }

    /// Those of these names, in the order of the file.
    fn named(&self, names: &[&str]) -> Vec<&'a Directive> {
        let mut numbers: Vec<usize> =
            names.iter().filter_map(|name| self.by_name.get(name)).flatten().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().map(|number| self.all[number]).collect()
    }
}

/// Where a directive is looked for: the blocks that are around it, the outermost first.
#[derive(Clone)]
pub struct Scope<'a>(Vec<Rc<Level<'a>>>);

impl<'a> Scope<'a> {
    /// The outermost block.
    pub fn of(directives: Vec<&'a Directive>) -> Self {
        Self(vec![Level::of(directives)])
    }

    /// A block in this one.
    pub fn within(&self, block: &'a Directive) -> Self {
        let mut levels = self.0.clone();
        levels.push(Level::of(block.inner().iter().collect()));
        Self(levels)
    }

    /// The directive that is in force: the last one of the innermost block that has it.
    pub fn one(&self, name: &str) -> Option<&'a Directive> {
        self.all(name).into_iter().last()
    }

    /// The directives in force: those of the innermost block that has any, as nginx inherits them.
    pub fn all(&self, name: &str) -> Vec<&'a Directive> {
        self.any(&[name])
    }

    /// The same of several names that are inherited together.
    pub fn any(&self, names: &[&str]) -> Vec<&'a Directive> {
        self.0.iter().rev().map(|level| level.named(names)).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// All directives of the innermost block, in the order of the file.
    pub fn innermost(&self) -> Vec<&'a Directive> {
        self.0.last().map(|level| level.all.clone()).unwrap_or_default()
    }

    /// The directives of that name in the innermost block only.
    pub fn here(&self, name: &str) -> Vec<&'a Directive> {
        self.0.last().map(|level| level.named(&[name])).unwrap_or_default()
    }

    /// The first argument of the directive in force, or a default.
    pub fn value(&self, name: &str, default: &'a str) -> &'a str {
        self.one(name).map_or(default, |directive| directive.arg(0))
    }

    /// Whether it is `on`.
    pub fn is_on(&self, name: &str) -> bool {
        self.value(name, "off") == "on"
    }

    /// What `set $name` has, which has to be said in these blocks.
    pub fn set(&self, name: &str) -> Option<&'a str> {
        let said = self.0.iter().rev().flat_map(|level| level.named(&["set"]));
        said.into_iter().find(|set| set.arg(0).strip_prefix('$') == Some(name)).map(|set| set.arg(1))
    }
}
