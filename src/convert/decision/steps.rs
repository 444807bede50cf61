//! Unfolds what happens one after the other into requests and all that happens to them.

use std::rc::Rc;

use super::Entry;
use super::conditions::{Conditions, Meet, Path};
use super::refusal::{by_address, by_address_alone, refuses};
use super::step::{Branch, Change, Clause, Does, Step};
use super::treatment::{PathChange, Treatment};
use crate::convert::output::Findings;

/// More entries than that are a sign that conditions can't be untangled; nobody could read the routes.
const MOST: usize = 2048;

/// Special cases in special cases, at most.
const DEEPEST: usize = 64;

/// Goes through the steps with requests of this kind. `end` is what happens to those that come to the end of them.
pub fn unfold(
    steps: &[Rc<Step>],
    when: Conditions,
    treatment: Treatment,
    end: &Step,
    findings: &mut Findings,
) -> Vec<Entry> {
    let mut unfolding = Unfolding { entries: Vec::new(), end, findings, gave_up: false, depth: 0 };
    unfolding.go(steps, State { when, treatment });
    unfolding.entries
}

struct Unfolding<'a> {
    entries: Vec<Entry>,
    end: &'a Step,
    findings: &'a mut Findings,
    gave_up: bool,
    /// Special cases within special cases.
    depth: usize,
}

/// Requests, and what was done to them so far.
#[derive(Clone)]
struct State {
    when: Conditions,
    treatment: Treatment,
}

impl State {
    fn with(&self, when: Conditions) -> Self {
        Self { when, treatment: self.treatment.clone() }
    }

    fn changed(&self, when: Conditions, change: &Change) -> Self {
        let mut state = self.with(when);
        change(&mut state.treatment);
        state
    }
}

impl Unfolding<'_> {
    /// Goes through the steps. What is special goes through the rest of them by itself, before the others.
    fn go(&mut self, steps: &[Rc<Step>], state: State) {
        if self.entries.len() >= MOST || self.depth >= DEEPEST {
            self.give_up();
            return;
        }
        self.depth += 1;
        let (mut steps, mut state) = (steps, Some(state));
        while let Some(now) = state.take() {
            let Some((step, rest)) = steps.split_first() else {
                let end = self.end;
                if let Does::End(change) = &end.does {
                    self.enter(end, now.changed(now.when.clone(), change));
                }
                break;
            };
            state = self.step(step, rest, now);
            steps = rest;
        }
        self.depth -= 1;
    }

    /// Does one step. Gives back what goes on with the rest.
    fn step(&mut self, step: &Step, rest: &[Rc<Step>], state: State) -> Option<State> {
        match &step.does {
            Does::End(change) => {
                let refuses = state.changed(state.when.clone(), change).treatment.denies;
                if refuses && step.when.iter().any(by_address) {
                    return self.refuse(step, rest, state, change);
                }
                if refuses && self.unclear(&step.when, &state.when, &state.treatment) {
                    return Some(self.closed(step, state));
                }
                let mut parts = self.parts(step, &state, &step.when);
                let last = parts.pop_if(|(_, is)| !*is);
                for (when, is) in parts {
                    if is {
                        self.enter(step, state.changed(when, change));
                    } else {
                        self.go(rest, state.with(when));
                    }
                }
                last.map(|(when, _)| state.with(when))
            }
            Does::Change { change, protects } => self.change(step, rest, state, change, *protects),
            Does::Path(change) => {
                let mut clauses = step.when.clone();
                if let PathChange::Strip(prefix) = change {
                    clauses = clauses.into_iter().filter_map(|clause| with_prefix(clause, prefix)).collect();
                }
                let (path, place) = (change.clone(), step.place.clone());
                let change: Change =
                    Rc::new(move |treatment: &mut Treatment| treatment.path.push((path.clone(), Some(place.clone()))));
                self.each(step, rest, &state, &clauses, &change)
            }
            Does::Choice(branches) => self.choose(step, branches, rest, state),
        }
    }

    /// Makes a change for the requests that the clauses are about. Gives back the last part, which goes on.
    fn each(
        &mut self,
        step: &Step,
        rest: &[Rc<Step>],
        state: &State,
        clauses: &[Clause],
        change: &Change,
    ) -> Option<State> {
        let mut last = None;
        for (when, is) in self.parts(step, state, clauses) {
            let next = if is { state.changed(when, change) } else { state.with(when) };
            if let Some(before) = last.replace(next) {
                self.go(rest, before);
            }
        }
        last
    }

    fn choose(&mut self, step: &Step, branches: &[Branch], rest: &[Rc<Step>], state: State) -> Option<State> {
        let mut remaining = state;
        for (index, (clauses, inner)) in branches.iter().enumerate() {
            if inner.iter().any(|step| refuses(step)) && self.unclear(clauses, &remaining.when, &remaining.treatment) {
                remaining = self.closed(step, remaining);
                continue;
            }
            let within: Vec<_> = inner.iter().chain(rest).cloned().collect();
            let mut parts = self.parts(step, &remaining, clauses);
            let last = parts.pop_if(|(_, is)| !*is);
            for (when, is) in parts {
                let part = remaining.with(when);
                if is {
                    self.go(&within, part);
                } else if let Some(last) = self.choose(step, &branches[index + 1..], rest, part) {
                    self.go(rest, last);
                }
            }
            remaining = remaining.with(last?.0);
        }
        Some(remaining)
    }

    fn change(
        &mut self,
        step: &Step,
        rest: &[Rc<Step>],
        state: State,
        change: &Change,
        protects: bool,
    ) -> Option<State> {
        // a route can't do two things by the client's address: what protects holds for everybody then
        if step.when.iter().any(by_address) {
            let why = "which clients it is for can't be said by their addresses within a route";
            if protects {
                self.findings.warning(&step.place, &step.what, format!("{why}: it holds for all"), "");
                return Some(state.changed(state.when.clone(), change));
            }
            let why = format!("{why}: it is left out");
            self.findings.warning(&step.place, &step.what, why, "do it at the backend");
            return Some(state);
        }
        if protects && self.unclear(&step.when, &state.when, &state.treatment) {
            let why = "which of the requests it is for can't be said by conditions of ours: it holds for all that could be meant";
            self.findings.warning(&step.place, &step.what, why, "look whether that is right");
            return Some(state.changed(state.when.clone(), change));
        }
        self.each(step, rest, &state, &step.when, change)
    }

    /// An end that refuses clients by their addresses: what comes after it is for the others.
    fn refuse(&mut self, step: &Step, rest: &[Rc<Step>], state: State, change: &Change) -> Option<State> {
        let State { when, mut treatment } = state;
        let mut plain: Vec<Clause> = Vec::new();
        for clause in &step.when {
            if !by_address(clause) {
                plain.push(clause.clone());
                continue;
            }
            let Some((whole, nets)) = by_address_alone(clause) else {
                let why = "who is refused depends on addresses and other things together: nobody comes in";
                self.findings.error(&step.place, &step.what, why, "write `allow` and `deny` of the routes by hand");
                treatment.closed = Some(step.place.clone());
                continue;
            };
            let list = |treatment: &mut Treatment| match &clause.is.networks {
                Some(denied) => treatment.deny(denied, &step.place),
                None => treatment.allow(&nets, &step.place),
            };
            let met = self.translate(&whole, &treatment);
            if matches!(&met, Meet::Both(outer) if outer.cover(&when)) {
                list(&mut treatment);
            } else if let Meet::Both(outer) = &met
                && let Meet::Both(part) = when.meet(outer)
            {
                let mut narrower = State { when: part, treatment: treatment.clone() };
                list(&mut narrower.treatment);
                let remaining = Step { when: plain.clone(), ..step.clone() };
                let steps: Vec<_> = std::iter::once(Rc::new(remaining)).chain(rest.iter().cloned()).collect();
                self.go(&steps, narrower);
            } else if met == Meet::Unknown {
                self.untold(step);
                treatment.closed = Some(step.place.clone());
            }
        }
        let remaining = Step { when: plain, ..step.clone() };
        let state = State { when, treatment };
        if remaining.when.is_empty() {
            Some(state)
        } else {
            self.step(&Step { does: Does::End(Rc::clone(change)), ..remaining }, rest, state)
        }
    }

    fn enter(&mut self, step: &Step, state: State) {
        let State { when, treatment } = state;
        self.entries.push(Entry { when, treatment, place: step.place.clone(), what: step.what.clone() });
    }

    /// Divides requests into those that one of the clauses is about (`true`) and the others; what is more special comes first.
    fn parts(&mut self, step: &Step, state: &State, clauses: &[Clause]) -> Vec<(Conditions, bool)> {
        let mut parts = Vec::new();
        self.divide(step, &state.when, clauses, &state.treatment, &mut parts);
        parts
    }

    fn divide(
        &mut self,
        step: &Step,
        when: &Conditions,
        clauses: &[Clause],
        treatment: &Treatment,
        parts: &mut Vec<(Conditions, bool)>,
    ) {
        'clauses: for (index, clause) in clauses.iter().enumerate() {
            let met = match self.within(when, &clause.is, treatment) {
                Meet::Both(met) => met,
                Meet::Never => continue,
                Meet::Unknown => {
                    self.untold(step);
                    continue;
                }
            };
            for not in &clause.not {
                match self.within(&met, not, treatment) {
                    Meet::Never => {}
                    Meet::Unknown => self.untold(step),
                    // all of them are excepted
                    Meet::Both(excepted) if excepted == met => continue 'clauses,
                    Meet::Both(excepted) => self.divide(step, &excepted, &clauses[index + 1..], treatment, parts),
                }
            }
            let all = met == *when;
            parts.push((met, true));
            if all {
                return;
            }
        }
        parts.push((when.clone(), false));
    }

    /// What of the requests these conditions take, which are about the path as it is after the changes so far.
    fn within(&self, when: &Conditions, conditions: &Conditions, treatment: &Treatment) -> Meet<Conditions> {
        match self.translate(conditions, treatment) {
            Meet::Both(outer) => when.meet(&outer),
            Meet::Never => Meet::Never,
            Meet::Unknown => Meet::Unknown,
        }
    }

    /// Whoever could be refused, and comes this far, is.
    fn closed(&mut self, step: &Step, mut state: State) -> State {
        let why = "which requests it refuses can't be said by conditions of ours, together with others that hold: whoever comes this far is refused";
        self.findings.error(&step.place, &step.what, why, "write a route for them by hand, and take the `deny` away");
        state.treatment.closed.get_or_insert(step.place.clone());
        state
    }

    fn untold(&mut self, step: &Step) {
        let why = "which requests it is for can't be said by conditions of ours, together with others that hold: it is left out for those";
        self.findings.error(&step.place, &step.what, why, "write a route for them by hand");
    }

    /// Whether it can't be said which of the requests a step is for.
    fn unclear(&self, clauses: &[Clause], when: &Conditions, treatment: &Treatment) -> bool {
        let unknown = |conditions: &Conditions| self.within(when, conditions, treatment) == Meet::Unknown;
        clauses.iter().any(|clause| unknown(&clause.is) || clause.not.iter().any(unknown))
    }

    /// Conditions as they are before the changes of the path so far.
    fn translate(&self, conditions: &Conditions, treatment: &Treatment) -> Meet<Conditions> {
        match treatment.before(&conditions.path) {
            Meet::Both(path) => Meet::Both(Conditions { path, ..conditions.clone() }),
            Meet::Never => Meet::Never,
            Meet::Unknown => Meet::Unknown,
        }
    }

    fn give_up(&mut self) {
        if !std::mem::replace(&mut self.gave_up, true) {
            let why = format!("its conditions make more than {MOST} routes: what is beyond is left out");
            self.findings.error(&self.end.place, &self.end.what, why, "write the routes by hand");
        }
    }
}

fn with_prefix(clause: Clause, prefix: &str) -> Option<Clause> {
    match clause.is.meet(&Conditions::path(Path::Prefix(prefix.to_owned()))) {
        Meet::Both(is) => Some(Clause { is, ..clause }),
        _ => None,
    }
}
