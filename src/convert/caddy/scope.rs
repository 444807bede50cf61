//! What directives are turned into steps with: the directive without its matcher, and what is known where it stands.

use std::rc::Rc;

use super::matcher::Matchers;
use super::tree::Directive;
use crate::convert::decision::{Clause, Does, Step, Treatment};
use crate::convert::output::{Place, Value};

/// Something that a listener has as a whole.
#[derive(Debug, Clone)]
pub struct Need {
    /// Which key of the listener.
    pub key: &'static [&'static str],
    /// What it should have.
    pub value: Value,
    /// The same in bytes.
    pub size: u64,
    /// The directive.
    pub what: String,
    /// Where it stands.
    pub place: Place,
}

/// What is known where directives stand.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Named matchers.
    pub matchers: Matchers,
    /// What the listener should have.
    pub needs: Vec<Need>,
    /// Whether a directive before asks for credentials.
    pub asks: bool,
    /// Whether it is within a block of the site.
    pub nested: bool,
}

/// A directive with its matcher taken off.
pub struct At<'a> {
    /// The directive.
    pub directive: &'a Directive,
    /// Its arguments without the matcher.
    pub args: Vec<&'a str>,
    /// Which requests it is for.
    pub when: Vec<Clause>,
}

impl At<'_> {
    /// Where it stands.
    pub fn place(&self) -> &Place {
        self.directive.place()
    }

    /// What it is called.
    pub fn word(&self) -> &str {
        self.directive.word()
    }

    /// A step of it for its requests.
    pub fn step(&self, does: Does) -> Rc<Step> {
        self.step_for(self.when.clone(), does)
    }

    /// A step of it for these requests.
    pub fn step_for(&self, when: Vec<Clause>, does: Does) -> Rc<Step> {
        Rc::new(Step { when, does, place: self.place().clone(), what: self.word().to_owned() })
    }

    /// Something changes.
    pub fn change(&self, change: impl Fn(&mut Treatment) + 'static) -> Rc<Step> {
        self.step(Does::Change { change: Rc::new(change), protects: false })
    }

    /// Something is asked of clients.
    pub fn protect(&self, change: impl Fn(&mut Treatment) + 'static) -> Rc<Step> {
        self.step(Does::Change { change: Rc::new(change), protects: true })
    }

    /// Nobody comes in.
    pub fn close(&self) -> Rc<Step> {
        let place = self.place().clone();
        self.protect(move |treatment| treatment.closed = Some(place.clone()))
    }
}

/// What comes of a directive.
pub enum Made {
    /// Steps for one after the other.
    Steps(Vec<Rc<Step>>),
    /// One of several that exclude each other.
    Branch(Vec<Clause>, Vec<Rc<Step>>),
}
