//! A server at one of its addresses, and the routes that are made of it.

use super::parse::Directive;
use super::variables::Known;
use super::world::Scope;
use crate::convert::output::Table;

/// Routes of one server, at most. More of them can't be read by anybody.
pub const MOST: usize = 2000;

/// Where `if`s stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// In a server: they are asked before a location is chosen.
    Server,
    /// In a location; `true`: other locations take some of the paths that begin as its own do.
    Location(bool),
}

/// A server at one of its addresses.
pub struct Site<'a> {
    /// The server.
    pub server: &'a Directive,
    /// The blocks around what is in it: `http`, and itself.
    pub scope: Scope<'a>,
    /// Its names, as routes have them.
    pub hosts: Vec<String>,
    /// The first of its names, as it is written.
    pub name: &'a str,
    /// The port of the address.
    pub port: u16,
    /// Whether there is TLS at the address.
    pub secure: bool,
}

impl<'a> Site<'a> {
    /// What values are translated with.
    pub fn known<'s>(&'s self, scope: &'s Scope<'a>, answer: bool) -> Known<'s> {
        Known { scope, server_name: self.name, port: self.port, answer }
    }
}

/// Which hosts of its server a route is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// All.
    All,
    /// These.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

impl Which {
    /// Whether it is for a host; `None` are the hosts that no server names.
    pub fn has(&self, host: Option<&str>) -> bool {
        let is_in = |names: &Vec<String>| names.iter().any(|name| Some(name.as_str()) == host);
        match self {
            Self::All => true,
            Self::Only(names) => is_in(names),
            Self::Except(names) => !is_in(names),
        }
    }

    /// The hosts of both.
    pub fn meet(&self, other: &Self) -> Self {
        let both = |a: &[String], b: &[String], kept: bool| -> Vec<String> {
            a.iter().filter(|name| b.contains(name) == kept).cloned().collect()
        };
        match (self, other) {
            (Self::All, some) | (some, Self::All) => some.clone(),
            (Self::Only(a), Self::Only(b)) => Self::Only(both(a, b, true)),
            (Self::Only(a), Self::Except(b)) | (Self::Except(b), Self::Only(a)) => Self::Only(both(a, b, false)),
            (Self::Except(a), Self::Except(b)) => Self::Except([a.clone(), both(b, a, false)].concat()),
        }
    }

    /// The hosts that it names.
    pub fn named(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::Only(names) | Self::Except(names) => names,
        }
    }
}

/// A route, before it is known for which hosts it is written.
#[derive(Debug, Clone)]
pub struct Made {
    /// The route without `host`.
    pub route: Table,
    /// The hosts that it is for.
    pub hosts: Which,
}

impl Made {
    /// A route for all hosts of its server, beside others.
    pub fn new(route: Table) -> Self {
        Self { route, hosts: Which::All }
    }
}
