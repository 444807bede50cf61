//! Routes before they are written, in the order in which HAProxy would take them.

use super::changes::Changes;
use super::matching::Conditions;
use super::parse::Line;
use crate::convert::output::{Findings, Place, Table};

/// So many routes are made of one listener at most.
pub const MOST: usize = 2_000;
/// So many comparisons of routes are made, a second or so.
const STEPS: usize = 5_000_000;

/// A route before it is written.
#[derive(Debug, Clone)]
pub struct Way {
    /// Who takes it.
    pub conditions: Conditions,
    /// Where it leads: a backend, or an answer.
    pub end: End,
    /// What is said on the way.
    pub changes: Changes,
    /// Where it comes from.
    pub place: Place,
    /// What is the same for ways that lead to the same in the same way.
    pub key: String,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// To a service.
    Service(String),
    /// To an answer.
    Answer(Table),
}

/// All ways, the one that HAProxy takes first at the front.
#[derive(Debug, Default)]
pub struct Ways {
    /// They.
    pub all: Vec<Way>,
    /// Comparisons that were made.
    pub steps: usize,
}

impl Ways {
    /// No more is to be added.
    pub fn stop(&mut self) {
        self.steps = STEPS + 1;
    }

    /// Whether there are more than can be looked at.
    pub fn is_too_much(&self) -> bool {
        self.all.len() > MOST || self.steps > STEPS
    }

    /// Adds a way at the end, unless one before it takes all of its requests.
    pub fn add(&mut self, conditions: &Conditions, end: End, changes: &Changes, place: Place) {
        self.steps += self.all.len();
        if self.all.iter().any(|way| conditions.within(&way.conditions)) {
            return;
        }
        let mut whole = Table::default();
        changes.put(&mut whole, &mut Findings::default());
        let key = format!("{end:?} {}", whole.fingerprint());
        self.all.push(Way { conditions: conditions.clone(), end, changes: changes.clone(), place, key });
    }

    /// Adds what two ways have in common, where ours would take the later one.
    pub fn order(&mut self, head: &Line, findings: &mut Findings) {
        let mut at = 0;
        while at < self.all.len() && self.all.len() <= MOST {
            let mut before = 0;
            while before < at && self.all.len() <= MOST {
                self.steps += 1;
                if self.steps > STEPS {
                    return self.not_ordered(head, findings);
                }
                let (first, later) = (&self.all[before], &self.all[at]);
                before += 1;
                if later.conditions.rank() <= first.conditions.rank() {
                    continue;
                }
                let common = first.conditions.in_common(&later.conditions);
                self.steps += if common.is_none() { 2 } else { 20 + at };
                if common.is_some() && first.key == later.key {
                    continue;
                }
                let Some(both) = common else { continue };
                let known = |(number, way): (usize, &Way)| {
                    both.asks_the_same(&way.conditions) && (number < before || way.key == first.key)
                };
                if self.all[..at].iter().enumerate().any(known) {
                    continue;
                }
                let way = Way { conditions: both, ..first.clone() };
                // it is as early as the first of the two, and has to be compared with those before it
                self.all.insert(before, way);
                at = before;
                before = 0;
            }
            at += 1;
        }
        if self.all.len() > MOST {
            self.not_ordered(head, findings);
        }
    }

    /// Where two routes take a request, the more specific one would win, and not the one that refuses it.
    fn not_ordered(&mut self, head: &Line, findings: &mut Findings) {
        for way in self.all.iter_mut().filter(|way| matches!(way.end, End::Service(_))) {
            way.changes.closed = Some(head.place.clone());
        }
        let why = "there are too many routes to see which of them both take a request: those to services are closed";
        findings.error(
            &head.place,
            head.text(),
            why,
            "write routes by hand, the most specific one wins: docs/routing.md",
        );
    }
}
