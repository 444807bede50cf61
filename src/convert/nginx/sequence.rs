//! Locations in the order in which Evenkeel takes them as nginx does.
//!
//! nginx finds the longest prefix first, then asks the expressions in it, and then those of the server unless the prefix is `^~`. Here all expressions
//! come before all prefixes. So a prefix that keeps expressions off becomes an expression itself, before those; and what is in such a prefix too.

use super::answer::{self, Paths};
use super::location::{Kind, Location};
use super::pass;
use super::world::World;
use crate::convert::expression::{self, Within};

/// A location as a route takes its paths.
pub struct Taken<'a> {
    /// The location, with the paths that the route has.
    pub location: Location<'a>,
    /// Nobody is let in: what takes these paths in the original is not known.
    pub closed: bool,
    /// Whether other locations take some of the paths that begin as its own do.
    pub crowded: bool,
}

/// The list that is made.
struct Sequence<'l, 'a> {
    all: &'l [Location<'a>],
    /// Prefixes that become expressions.
    shields: Vec<bool>,
    taken: Vec<Taken<'a>>,
}

/// All locations but the named ones, in an order in which the first expression that fits decides.
pub fn of<'a>(world: &mut World<'_>, all: &[Location<'a>]) -> Vec<Taken<'a>> {
    let mut sequence = Sequence { all, shields: vec![false; all.len()], taken: Vec::new() };
    let mut prefixes: Vec<usize> = (0..all.len()).filter(|number| sequence.prefix(*number).is_some()).collect();
    // the longest first; the sort keeps the order of the file among equal ones
    prefixes.sort_by_key(|number| std::cmp::Reverse(sequence.prefix(*number).map_or(0, str::len)));
    sequence.find_shields(&prefixes);
    for number in prefixes {
        sequence.of_prefix(world, number);
    }
    for (number, location) in all.iter().enumerate() {
        match &location.kind {
            Kind::Exact(_) => sequence.push(number, location.kind.clone(), false),
            Kind::Regex(regex) if location.around.is_empty() => sequence.expression(world, number, regex.clone()),
            Kind::Prefix(_) | Kind::First(_)
                if !sequence.shields[number] && sequence.in_expression(number).is_none() =>
            {
                sequence.push(number, location.kind.clone(), false);
            }
            _ => {}
        }
    }
    sequence.taken
}

impl<'a> Sequence<'_, 'a> {
    /// The text of a prefix.
    fn prefix(&self, number: usize) -> Option<&str> {
        match &self.all[number].kind {
            Kind::Prefix(path) | Kind::First(path) => Some(path),
            _ => None,
        }
    }

    /// The expression that a location stands in.
    fn in_expression(&self, number: usize) -> Option<usize> {
        self.all[number].around.iter().copied().find(|around| matches!(self.all[*around].kind, Kind::Regex(_)))
    }

    /// The expressions of a block: of a location, or of the server.
    fn expressions(&self, around: &[usize]) -> Vec<(usize, String)> {
        let of = |(number, location): (usize, &Location<'a>)| match &location.kind {
            Kind::Regex(regex) if location.around == around => Some((number, regex.clone())),
            _ => None,
        };
        self.all.iter().enumerate().filter_map(of).collect()
    }

    /// The expressions in a prefix.
    fn inner(&self, number: usize) -> Vec<(usize, String)> {
        self.expressions(&[&self.all[number].around[..], &[number]].concat())
    }

    /// Which prefixes have to keep expressions off that Evenkeel would ask first: those that are not asked behind `^~`, and those that stand in, or have
    /// become, a shorter prefix. `prefixes` has the longest first.
    fn find_shields(&mut self, prefixes: &[usize]) {
        let has_inner: Vec<bool> = (0..self.all.len()).map(|number| !self.inner(number).is_empty()).collect();
        for (at, number) in prefixes.iter().copied().enumerate().rev() {
            let (Some(path), None) = (self.prefix(number), self.in_expression(number)) else { continue };
            let around = &self.all[number].around;
            let is_first = matches!(self.all[number].kind, Kind::First(_))
                && (0..=around.len()).any(|depth| !self.expressions(&around[..depth]).is_empty());
            let is_below = prefixes[at..].iter().any(|other| {
                let shorter =
                    self.prefix(*other).is_some_and(|other| path.len() > other.len() && path.starts_with(other));
                // what stands in the same prefix is asked in it as well
                shorter && (!around.contains(other) && has_inner[*other] || self.shields[*other])
            });
            self.shields[number] = path != "/" && (is_first || is_below);
        }
    }

    fn is_crowded(&self, path: &str) -> bool {
        self.all.iter().any(|location| match &location.kind {
            Kind::Exact(other) | Kind::Prefix(other) | Kind::First(other) => {
                other.len() > path.len() && other.starts_with(path)
            }
            Kind::Regex(_) | Kind::Named => false,
        })
    }

    fn push(&mut self, number: usize, kind: Kind, closed: bool) {
        let crowded = self.prefix(number).is_some_and(|path| self.is_crowded(path));
        let location = Location { kind, ..self.all[number].clone() };
        self.taken.push(Taken { location, closed, crowded });
    }

    /// The expressions that are asked before a prefix counts, and the prefix itself where it has to be one.
    fn of_prefix(&mut self, world: &mut World<'_>, number: usize) {
        let Some(path) = self.prefix(number).map(str::to_owned) else { return };
        if self.in_expression(number).is_some() {
            return;
        }
        for (inner, regex) in self.inner(number) {
            self.within(world, inner, &path, &regex);
        }
        if !self.shields[number] {
            return;
        }
        // the expressions around it that nginx asks as well, from the inside to the outside; those of a block only unless what stands in it has `^~`
        let around = self.all[number].around.clone();
        for depth in (0..=around.len()).rev() {
            let inside = around.get(depth).copied().unwrap_or(number);
            if matches!(self.all[inside].kind, Kind::First(_)) {
                continue;
            }
            for (other, regex) in self.expressions(&around[..depth]) {
                self.within(world, other, &path, &regex);
            }
        }
        let scope = &self.all[number].scope;
        if pass::replaced(scope).is_some() && scope.here("internal").is_empty() {
            self.replaced(world, number, &path);
            return;
        }
        self.push(number, Kind::Regex(format!("^{}", regex::escape(&path))), false);
    }

    /// A prefix that replaces a part of the path can't become an expression: where somebody is kept out, nobody gets by an expression to what it protects.
    fn replaced(&mut self, world: &mut World<'_>, number: usize, path: &str) {
        let location = &self.all[number];
        let (place, text) = (&location.directive.place, location.directive.text());
        let why =
            "expressions win over prefixes here, and this one replaces a part of the path, which an expression can't";
        if super::access::asks(&location.scope) {
            let why = format!("{why}: what both take is closed");
            world.findings().error(place, text, why, "narrow the expressions of this host");
            self.push(number, Kind::Prefix(path.to_owned()), false);
            let regexes: Vec<String> = self
                .all
                .iter()
                .filter_map(|other| if let Kind::Regex(regex) = &other.kind { Some(regex.clone()) } else { None })
                .collect();
            for regex in regexes {
                match expression::within(path, &regex) {
                    Within::Nothing => {}
                    Within::Fits(joined) => self.push(number, Kind::Regex(joined), true),
                    Within::Unknown => self.push(number, Kind::Regex(format!("^{}", regex::escape(path))), true),
                }
            }
        } else {
            world.findings().warning(place, text, why, "narrow the expressions of this host");
            self.push(number, Kind::Prefix(path.to_owned()), false);
        }
    }

    /// An expression where a prefix fits.
    fn within(&mut self, world: &mut World<'_>, number: usize, path: &str, regex: &str) {
        match expression::within(path, regex) {
            Within::Nothing => {}
            Within::Fits(joined) => self.expression(world, number, joined),
            Within::Unknown => {
                let directive = self.all[number].directive;
                if regex::Regex::new(regex).is_err() {
                    return self.expression(world, number, regex.to_owned());
                }
                let why = format!(
                    "which paths below `{path}` it takes can't be said without look-ahead: all of them are closed"
                );
                let advice = "write an expression that begins with `^` and the prefix";
                world.findings().error(&directive.place, directive.text(), why, advice);
                self.push(number, Kind::Regex(format!("^{}", regex::escape(path))), true);
            }
        }
    }

    /// An expression, and before it what stands in it.
    fn expression(&mut self, world: &mut World<'_>, number: usize, regex: String) {
        let inside: Vec<usize> =
            (0..self.all.len()).filter(|other| self.all[*other].around.last() == Some(&number)).collect();
        let mut closed = false;
        for other in inside {
            let location = &self.all[other];
            let joined = match &location.kind {
                Kind::Prefix(path) | Kind::First(path) => covered(path, &regex),
                Kind::Exact(_) | Kind::Named => continue,
                Kind::Regex(_) => Within::Unknown,
            };
            match joined {
                Within::Nothing => {}
                Within::Fits(joined) => self.push(other, Kind::Regex(joined), false),
                Within::Unknown => {
                    let why = "a location in an expression: what both take can't be said, so nobody is let in by the outer one";
                    let advice = "write both as one expression, before the outer location";
                    world.findings().error(&location.directive.place, location.directive.text(), why, advice);
                    closed = true;
                }
            }
        }
        self.push(number, Kind::Regex(regex), closed);
    }
}

/// What an expression fits below a prefix; all of it, where the expression is the text that the prefix begins with.
fn covered(path: &str, regex: &str) -> Within {
    let begins = |taken: &Paths| match taken {
        Paths::All => true,
        Paths::Prefix(begin) => path.starts_with(begin),
        Paths::Exact(_) => false,
    };
    match answer::paths(regex, false) {
        Some(taken) if taken.iter().any(begins) => Within::Fits(format!("^{}", regex::escape(path))),
        _ => expression::within(path, regex),
    }
}
