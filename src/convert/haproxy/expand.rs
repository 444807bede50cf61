//! Rules that are gone through one after the other, as routes of which the most specific wins.
//!
//! A rule that ends the way of a request becomes a route. A rule that changes it applies to all routes behind it, for which its condition
//! becomes a part of theirs. What must not hold is written as more specific routes for those for whom it does. At the end, where two routes can take one
//! request and ours would choose the later one, a route is added for what they have in common.

use super::act::{Act, Part, Rule};
use super::changes::{Changes, fields};
use super::condition::{Ask, Term};
use super::filters::Filter;
use super::matching::{Conditions, Path};
use super::parse::Section;
use super::password::Passwords;
use super::rule::refuses;
use super::seen;
use super::ways::{End, MOST, Ways};
use crate::convert::networks;
use crate::convert::output::{Findings, Place, Table};

/// Conditions that apply one within the other.
const DEPTH: usize = 200;

/// Goes through the rules of a frontend and of the backends behind it.
pub struct Expander<'a> {
    /// All sections.
    pub sections: &'a [Section],
    /// The frontend.
    pub section: &'a Section,
    /// The rules of each backend.
    pub of_backend: &'a dyn Fn(&str, &mut Findings) -> Option<Vec<Rule>>,
    /// What was found so far.
    pub ways: Ways,
    /// What is the listener's: limits of clients.
    pub listener: &'a mut Table,
    /// What was found.
    pub findings: &'a mut Findings,
    /// Users, and the files that they come into.
    passwords: Passwords<'a>,
    told_of_size: bool,
    depth: usize,
}

impl<'a> Expander<'a> {
    /// For a frontend.
    pub fn new(
        (sections, section): (&'a [Section], &'a Section),
        of_backend: &'a dyn Fn(&str, &mut Findings) -> Option<Vec<Rule>>,
        listener: &'a mut Table,
        findings: &'a mut Findings,
        passwords: Passwords<'a>,
    ) -> Self {
        let ways = Ways::default();
        Self { sections, section, of_backend, ways, listener, findings, passwords, told_of_size: false, depth: 0 }
    }

    /// All ways from here on.
    pub fn go(&mut self, around: &Conditions, rules: &[Rule], changes: Changes) {
        let (mut rules, mut changes) = (rules, changes);
        self.depth += 1;
        while let Some((rule, rest)) = rules.split_first() {
            if self.depth > DEPTH || self.ways.is_too_much() {
                self.too_many(rule);
                break;
            }
            rules = rest;
            // what was said so far is copied for each way on
            self.ways.steps += 100 + 20 * changes.keys.entries.len();
            match self.step(around, rule, rest, changes) {
                Some(further) => changes = further,
                None => break,
            }
        }
        self.depth -= 1;
    }

    /// Goes by one rule. Gives back with what those go on whom it has not led elsewhere; `None`: it has led all of them elsewhere.
    fn step(&mut self, around: &Conditions, rule: &Rule, rest: &[Rule], mut changes: Changes) -> Option<Changes> {
        if rule.act == Act::Phase {
            changes.next_phase();
            return Some(changes);
        }
        // what is let in by a group of rules is not looked at by the rest of it
        if changes.allowed {
            return Some(changes);
        }
        let Some(terms) = seen::terms(rule, &changes) else { return Some(changes) };
        let (routed, other): (Vec<&Term>, Vec<&Term>) =
            terms.iter().map(|term| &**term).partition(|term| matches!(term.ask, Ask::Routes(_)));
        let mut change = changes.clone();
        if !self.beside_routes(rule, &other, &mut change, around.is_empty() && routed.is_empty()) {
            return Some(changes);
        }
        // who was let in by address before is not refused by what comes behind
        let some_are_in = matches!(rule.act, Act::Refuse(_)) && other.is_empty() && changes.some_are_in();
        if some_are_in {
            change.filters.push((Filter::Deny(networks::everybody()), rule.line.place.clone()));
        }
        let ends =
            !some_are_in && other.is_empty() && matches!(rule.act, Act::Answer(_) | Act::Refuse(_) | Act::Backend(_));
        let (holding, not): (Vec<&Term>, Vec<&Term>) = routed.into_iter().partition(|term| term.holds);
        self.tell_of_narrower(rule, &holding, &not);
        let mut all = vec![around.clone()];
        for term in holding {
            all = self.joined(&all, term, rule)?;
        }
        if matches!(rule.act, Act::Prefix(..)) {
            let Some(Act::Prefix(from, _)) = seen::act(&rule.act, &changes) else { return Some(changes) };
            all = self.within_prefix(&all, &from, rule, &mut changes);
        }
        let whole = not.is_empty() && all.iter().any(|one| one.asks_the_same(around));
        if whole && !ends {
            return Some(change);
        }
        for one in &all {
            // those for whom it must not hold go on without it
            for term in &not {
                for except in self.joined(std::slice::from_ref(one), term, rule)? {
                    self.go(&except, rest, changes.clone());
                }
            }
            if self.ways.is_too_much() {
                self.too_many(rule);
                return None;
            }
            if ends {
                self.end(one, rule, &change);
            } else {
                self.go(one, rest, change.clone());
            }
        }
        (!whole).then_some(changes)
    }

    /// Those of `all` whose path begins with what is replaced. Where that can't be told, the path is not known from here on.
    fn within_prefix(&mut self, all: &[Conditions], from: &str, rule: &Rule, changes: &mut Changes) -> Vec<Conditions> {
        let prefix = Conditions { path: Some(Path::Prefix(from.to_owned())), ..Conditions::default() };
        let mut found = Vec::new();
        for one in all {
            match one.and(&prefix) {
                Ok(both) => found.extend(both),
                Err(_) => {
                    self.cannot(rule, "two conditions on the path can't be had in one route");
                    changes.alter(Part::Path, &rule.line.place);
                }
            }
        }
        found
    }

    /// A condition that takes a little less than the original lets those in who are refused by the rest of it.
    fn tell_of_narrower(&mut self, rule: &Rule, holding: &[&Term], not: &[&Term]) {
        let is_narrower = |term: &&Term| matches!(&term.ask, Ask::Routes(all) if all.iter().any(|one| one.is_narrower));
        let refused = holding.iter().any(is_narrower) && self.keeps_out(rule);
        if refused || matches!(rule.act, Act::Allow) && not.iter().any(is_narrower) {
            let why = "a route compares the whole of a field's line, and a host by whole names: who is refused by a part of them comes in";
            let advice = "have the backend refuse them too, or `auth.forward`: docs/access.md";
            self.findings.error(&rule.line.place, rule.line.text(), why, advice);
        }
    }

    /// Whether a rule refuses requests, or leads them to where some are refused.
    fn keeps_out(&mut self, rule: &Rule) -> bool {
        match &rule.act {
            Act::Refuse(_) | Act::Password => true,
            Act::Answer(answer) => refuses(answer),
            Act::Backend(name) => (self.of_backend)(name, self.findings)
                .is_some_and(|rules| rules.iter().any(|rule| matches!(rule.act, Act::Refuse(_) | Act::Password))),
            _ => false,
        }
    }

    /// What follows is left out: no route leads there, and nobody comes in by it.
    fn too_many(&mut self, rule: &Rule) {
        if !self.told_of_size {
            self.told_of_size = true;
            let why = format!("more than {MOST} routes would come of these conditions: what follows is left out");
            self.findings.error(&rule.line.place, rule.line.text(), why, "write routes by hand: docs/routing.md");
        }
    }

    /// What holds where both do, for each alternative of the term; `None` where that would be too much.
    fn joined(&mut self, all: &[Conditions], term: &Term, rule: &Rule) -> Option<Vec<Conditions>> {
        let Ask::Routes(alternatives) = &term.ask else { return Some(all.to_vec()) };
        let mut found = Vec::new();
        for one in all {
            for alternative in alternatives {
                match one.and(alternative) {
                    Ok(both) => found.extend(both),
                    Err(_) => {
                        self.cannot(rule, "two conditions on the path can't be had in one route");
                        // more are refused than would have to be, and fewer are let in
                        if term.holds == self.keeps_out(rule) {
                            found.push(one.clone());
                        }
                    }
                }
                if found.len() > MOST {
                    self.too_many(rule);
                    self.ways.stop();
                    return None;
                }
            }
        }
        Some(found)
    }

    /// A condition that no route can have: an error where it is about who may come in.
    fn cannot(&mut self, rule: &Rule, why: &str) {
        let advice = "routes have host, path, methods, headers and query, each with one value: docs/routing.md";
        let (place, text) = (rule.line.place.clone(), rule.line.text());
        if self.keeps_out(rule) {
            self.findings.error(&place, text, format!("{why}: who is refused by it comes in"), advice);
        } else if rule.sends_away() || matches!(rule.act, Act::Answer(_)) && rule.terms.iter().any(|term| !term.holds) {
            self.findings.error(
                &place,
                text,
                format!("{why}: the line is left out, and may keep somebody out"),
                advice,
            );
        } else {
            self.findings.warning(&place, text, format!("{why}: the line is left out"), advice);
        }
    }

    /// Applies the terms that are no conditions of routes. `false`: the rule is left out. `of_all`: it is for all requests of the frontend.
    fn beside_routes(&mut self, rule: &Rule, other: &[&Term], change: &mut Changes, of_all: bool) -> bool {
        let place = &rule.line.place;
        match (&rule.act, other) {
            (Act::Change(keys), []) => {
                change.say(keys, place);
                true
            }
            (act @ Act::Prefix(..), []) => {
                let Some(Act::Prefix(from, to)) = seen::act(act, change) else { return false };
                change.prefix = Some((from, to, place.clone()));
                true
            }
            (Act::Alter(parts), _) => {
                parts.iter().for_each(|part| change.alter(part.clone(), place));
                true
            }
            (Act::Allow, []) => {
                change.allowed = true;
                true
            }
            (Act::Allow, [Term { ask: Ask::Source(networks), holds: true }]) => {
                change.filters.push((Filter::Allow(networks.clone()), place.clone()));
                true
            }
            (Act::Password, _) => self.passwords.ask(self.section, rule, other, change, self.findings),
            (Act::Refuse(_), [_, ..]) if other.iter().all(|term| matches!(term.ask, Ask::Password(_))) => {
                self.passwords.ask(self.section, rule, other, change, self.findings)
            }
            (_, []) => true,
            (Act::Refuse(_), [Term { ask: Ask::Source(networks), holds: true }]) => {
                change.filters.push((Filter::Deny(networks.clone()), place.clone()));
                true
            }
            // who is in none of these
            (Act::Refuse(_), terms) if terms.iter().all(|term| matches!(term.ask, Ask::Source(_)) && !term.holds) => {
                let networks =
                    |term: &&Term| if let Ask::Source(networks) = &term.ask { networks.clone() } else { Vec::new() };
                change.filters.push((Filter::Only(terms.iter().flat_map(networks).collect()), place.clone()));
                true
            }
            (Act::Refuse(_), [Term { ask: Ask::Above(counter), holds: true }]) => {
                self.limited(rule, counter, change, of_all)
            }
            (_, terms) => self.without_route(rule, terms, change),
        }
    }

    /// Terms that no route can have. `true`: nobody comes in, as long as nobody has looked at it.
    fn without_route(&mut self, rule: &Rule, terms: &[&Term], change: &mut Changes) -> bool {
        let place = &rule.line.place;
        match &rule.act {
            Act::Prefix(..) => {
                self.cannot(rule, "no route has such a condition");
                change.alter(Part::Path, place);
                return true;
            }
            Act::Change(keys) if self.taken_out(rule, keys, change) => return true,
            _ => {}
        }
        let text = terms.iter().find_map(|term| {
            if let Ask::Unknown(text) | Ask::Changed(text) = &term.ask { Some(text.clone()) } else { None }
        });
        let about_clients = terms.iter().any(|term| matches!(term.ask, Ask::Source(_) | Ask::Password(_)));
        if about_clients && !matches!(rule.act, Act::Refuse(_) | Act::Change(_)) {
            let advice = "a route has no condition on either: a listener of their own for these clients, or `allow`, `deny` and `auth`";
            let why = "where requests go depends on the client's network or password: the line is left out";
            self.findings.error(place, rule.line.text(), why, advice);
        } else {
            let why = match text {
                Some(text) => format!("no route has such a condition (`{text}`)"),
                None => "these conditions can't be had together".to_owned(),
            };
            self.cannot(rule, &why);
        }
        let closes = terms.iter().any(|term| !term.holds || matches!(term.ask, Ask::Changed(_)))
            && (rule.sends_away() || self.keeps_out(rule));
        if closes {
            change.closed = Some(place.clone());
        }
        closes
    }

    /// A field that is to be another one under a condition that no route has is taken out of all requests, so that no client can send it.
    fn taken_out(&mut self, rule: &Rule, keys: &Table, change: &mut Changes) -> bool {
        let place = &rule.line.place;
        let fields = fields(keys, &["set", "remove"]);
        if keys.text(&["rewrite", "host"]).is_some() {
            change.alter(Part::Host, place);
        }
        if fields.is_empty() {
            return false;
        }
        let why =
            "no route has such a condition: the field is taken out of all requests, so that no client can send it";
        self.findings.warning(place, rule.line.text(), why, "docs/routing.md has the conditions of routes");
        let mut change_of_all = Table::default();
        fields.into_iter().for_each(|name| change_of_all.push_from(&["request_headers", "remove"], name, place));
        change.say(&change_of_all, place);
        true
    }

    /// The end of a way.
    fn end(&mut self, conditions: &Conditions, rule: &Rule, changes: &Changes) {
        let place = rule.line.place.clone();
        let end = match &rule.act {
            Act::Answer(answer) | Act::Refuse(answer) => End::Answer(answer.clone()),
            Act::Backend(name) => {
                let Some(rules) = (self.of_backend)(name, self.findings) else {
                    let advice = "make a route with the values that the name can have";
                    self.findings.warning(
                        &place,
                        rule.line.text(),
                        format!("there is no backend `{name}`: requests go on to the next rule"),
                        advice,
                    );
                    return;
                };
                let last = Rule { terms: Vec::new(), act: Act::Answer(service(name, &place)), line: rule.line.clone() };
                let mut changes = changes.clone();
                changes.next_phase();
                let rules: Vec<Rule> = rules.into_iter().chain([last]).collect();
                return self.go(conditions, &rules, changes);
            }
            _ => return,
        };
        let end = match end {
            End::Answer(answer) => match answer.text(&["service"]) {
                Some(service) => End::Service(service.to_owned()),
                None => End::Answer(answer),
            },
            other => other,
        };
        self.ways.add(conditions, end, changes, place);
    }
}

fn service(name: &str, place: &Place) -> Table {
    let mut table = Table::at(place);
    table.put(&["service"], crate::convert::output::name(name), place);
    table
}
