//! Unfolds what happens one after the other into requests and all that happens to them.

use std::fmt;
use std::rc::Rc;

use ipnet::IpNet;

use super::Entry;
use super::conditions::{Conditions, Meet, Path};
use super::treatment::{PathChange, Treatment};
use crate::convert::output::{Findings, Place};

/// More entries than that are a sign that conditions can't be untangled; nobody could read the routes.
const MOST: usize = 512;

/// Requests of one kind, less others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clause {
    /// What they are like.
    pub is: Conditions,
    /// What they are not like: none of these.
    pub not: Vec<Conditions>,
}

impl From<Conditions> for Clause {
    fn from(is: Conditions) -> Self {
        Self { is, not: Vec::new() }
    }
}

/// Changes what happens to a request.
pub type Change = Rc<dyn Fn(&mut Treatment)>;

/// What a step does.
#[derive(Clone)]
pub enum Does {
    /// Something changes, and the next step comes. `protects`: it asks something of clients.
    Change {
        /// The change.
        change: Change,
        /// Whether it asks something of clients.
        protects: bool,
    },
    /// The path changes.
    Path(PathChange),
    /// Something happens to the request, and nothing comes after it. Whether it is refused by that, says the treatment.
    End(Change),
    /// The first of these that fits is gone through, and then the next step comes.
    Choice(Vec<(Vec<Clause>, Vec<Rc<Step>>)>),
}

impl fmt::Debug for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change { protects, .. } => write!(f, "Change {{ protects: {protects} }}"),
            Self::Path(change) => write!(f, "Path({change:?})"),
            Self::End(_) => f.write_str("End"),
            Self::Choice(branches) => f.debug_tuple("Choice").field(branches).finish(),
        }
    }
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which requests it is for: any of these kinds.
    pub when: Vec<Clause>,
    /// What it does.
    pub does: Does,
    /// Where the original says so.
    pub place: Place,
    /// What the original calls it.
    pub what: String,
}

/// Goes through the steps with requests of this kind. `end` is what happens to those that come to the end of them.
pub fn unfold(
    steps: &[Rc<Step>],
    when: Conditions,
    treatment: Treatment,
    end: &Step,
    findings: &mut Findings,
) -> Vec<Entry> {
    let mut unfolding = Unfolding { entries: Vec::new(), end, findings, gave_up: false };
    unfolding.go(steps, when, treatment);
    unfolding.entries
}

struct Unfolding<'a> {
    entries: Vec<Entry>,
    end: &'a Step,
    findings: &'a mut Findings,
    gave_up: bool,
}

type Next<'a, 'b> = &'b dyn Fn(&mut Unfolding<'a>, Conditions);

impl<'a> Unfolding<'a> {
    fn go(&mut self, steps: &[Rc<Step>], when: Conditions, treatment: Treatment) {
        if self.entries.len() >= MOST {
            self.give_up();
            return;
        }
        let Some((step, rest)) = steps.split_first() else {
            let end = self.end;
            if let Does::End(change) = &end.does {
                self.enter(end, change, when, treatment);
            }
            return;
        };
        match &step.does {
            Does::End(change) => {
                let mut ended = treatment.clone();
                change(&mut ended);
                if ended.denies && step.when.iter().any(by_address) {
                    self.refuse(step, rest, when, treatment, change);
                    return;
                }
                let (before, then) = (treatment.clone(), treatment);
                self.select(
                    step,
                    when,
                    &step.when,
                    &before,
                    &|this, when| this.enter(step, change, when, then.clone()),
                    &|this, when| {
                        this.go(rest, when, then.clone());
                    },
                );
            }
            Does::Change { change, protects } => self.change(step, rest, when, treatment, change, *protects),
            Does::Path(change) => {
                let mut clauses = step.when.clone();
                if let PathChange::Strip(prefix) = change {
                    clauses = clauses.into_iter().filter_map(|clause| with_prefix(clause, prefix)).collect();
                }
                let (before, mut changed) = (treatment.clone(), treatment.clone());
                changed.path.push((change.clone(), Some(step.place.clone())));
                self.select(
                    step,
                    when,
                    &clauses,
                    &before,
                    &|this, when| this.go(rest, when, changed.clone()),
                    &|this, when| {
                        this.go(rest, when, treatment.clone());
                    },
                );
            }
            Does::Choice(branches) => self.choose(step, branches, rest, when, treatment),
        }
    }

    fn choose(
        &mut self,
        step: &Step,
        branches: &[(Vec<Clause>, Vec<Rc<Step>>)],
        rest: &[Rc<Step>],
        when: Conditions,
        treatment: Treatment,
    ) {
        let Some(((clauses, inner), others)) = branches.split_first() else {
            self.go(rest, when, treatment);
            return;
        };
        let within: Vec<_> = inner.iter().chain(rest).cloned().collect();
        self.select(
            step,
            when,
            clauses,
            &treatment,
            &|this, when| this.go(&within, when, treatment.clone()),
            &|this, when| {
                this.choose(step, others, rest, when, treatment.clone());
            },
        );
    }

    fn change(
        &mut self,
        step: &Step,
        rest: &[Rc<Step>],
        when: Conditions,
        treatment: Treatment,
        change: &Change,
        protects: bool,
    ) {
        let mut changed = treatment.clone();
        change(&mut changed);
        // a route can't do two things by the client's address: what protects holds for everybody then
        if step.when.iter().any(by_address) {
            let why = "which clients it is for can't be said by their addresses within a route";
            if protects {
                self.findings.warning(&step.place, &step.what, format!("{why}: it holds for all"), "");
                self.go(rest, when, changed);
            } else {
                self.findings.warning(
                    &step.place,
                    &step.what,
                    format!("{why}: it is left out"),
                    "do it at the backend",
                );
                self.go(rest, when, treatment);
            }
            return;
        }
        if protects && self.unclear(&step.when, &when, &treatment) {
            let why = "which of the requests it is for can't be said by conditions of ours: it holds for all that could be meant";
            self.findings.warning(&step.place, &step.what, why, "look whether that is right");
            self.go(rest, when, changed);
            return;
        }
        let before = treatment.clone();
        self.select(
            step,
            when,
            &step.when,
            &before,
            &|this, when| this.go(rest, when, changed.clone()),
            &|this, when| {
                this.go(rest, when, treatment.clone());
            },
        );
    }

    /// An end that refuses clients by their addresses: what comes after it is for the others.
    fn refuse(&mut self, step: &Step, rest: &[Rc<Step>], when: Conditions, treatment: Treatment, change: &Change) {
        let mut treatment = treatment;
        let mut plain: Vec<Clause> = Vec::new();
        for clause in &step.when {
            let whole = Conditions { networks: None, ..clause.is.clone() };
            let others: Vec<_> = clause.not.iter().filter(|not| not.networks.is_none()).cloned().collect();
            let allowed: Vec<&Conditions> = clause.not.iter().filter(|not| not.networks.is_some()).collect();
            let only_addresses =
                allowed.iter().all(|not| Conditions { networks: None, ..(*not).clone() } == Conditions::default());
            if !only_addresses || !others.is_empty() || clause.is.networks.is_some() && !allowed.is_empty() {
                let why = "who is refused depends on addresses and other things together: nobody comes in";
                self.findings.error(&step.place, &step.what, why, "write `allow` and `deny` of the routes by hand");
                treatment.closed = Some(step.place.clone());
                continue;
            }
            if !by_address(clause) {
                plain.push(clause.clone());
                continue;
            }
            let holds = matches!(self.translate(&whole, &treatment), Meet::Both(outer) if outer.cover(&when));
            let list = |treatment: &mut Treatment| match &clause.is.networks {
                Some(denied) => treatment.deny(denied, &step.place),
                None => {
                    let nets: Vec<IpNet> = allowed.iter().filter_map(|not| not.networks.clone()).flatten().collect();
                    treatment.allow(&nets, &step.place);
                }
            };
            if holds {
                list(&mut treatment);
                continue;
            }
            let (mut narrower, before) = (treatment.clone(), treatment.clone());
            list(&mut narrower);
            let remaining = Step { when: plain.clone(), ..step.clone() };
            let steps: Vec<_> = std::iter::once(Rc::new(remaining)).chain(rest.iter().cloned()).collect();
            self.select(
                step,
                when.clone(),
                &[whole.into()],
                &before,
                &|this, when| this.go(&steps, when, narrower.clone()),
                &|_, _| {},
            );
        }
        let (before, then) = (treatment.clone(), treatment);
        self.select(
            step,
            when,
            &plain,
            &before,
            &|this, when| this.enter(step, change, when, then.clone()),
            &|this, when| {
                this.go(rest, when, then.clone());
            },
        );
    }

    fn enter(&mut self, step: &Step, change: &Change, when: Conditions, mut treatment: Treatment) {
        change(&mut treatment);
        self.entries.push(Entry { when, treatment, place: step.place.clone(), what: step.what.clone() });
    }

    /// Divides requests into those that one of the clauses is about and the others; what is more special comes first.
    fn select(
        &mut self,
        step: &Step,
        when: Conditions,
        clauses: &[Clause],
        treatment: &Treatment,
        yes: Next<'a, '_>,
        no: Next<'a, '_>,
    ) {
        let Some((clause, others)) = clauses.split_first() else {
            no(self, when);
            return;
        };
        let met = match self.translate(&clause.is, treatment) {
            Meet::Both(outer) => when.meet(&outer),
            Meet::Never => Meet::Never,
            Meet::Unknown => Meet::Unknown,
        };
        let met = match met {
            Meet::Both(met) => met,
            Meet::Never => return self.select(step, when, others, treatment, yes, no),
            Meet::Unknown => {
                self.untold(step);
                return self.select(step, when, others, treatment, yes, no);
            }
        };
        for not in &clause.not {
            let excepted = match self.translate(not, treatment) {
                Meet::Both(outer) => met.meet(&outer),
                Meet::Never => Meet::Never,
                Meet::Unknown => Meet::Unknown,
            };
            match excepted {
                Meet::Never => {}
                Meet::Unknown => self.untold(step),
                // all of them are excepted
                Meet::Both(excepted) if excepted == met => return self.select(step, when, others, treatment, yes, no),
                Meet::Both(excepted) => self.select(step, excepted, others, treatment, yes, no),
            }
        }
        let rest = (met != when).then(|| when.clone());
        yes(self, met);
        if let Some(rest) = rest {
            self.select(step, rest, others, treatment, yes, no);
        }
    }

    fn untold(&mut self, step: &Step) {
        let why = "which requests it is for can't be said by conditions of ours, together with others that hold: it is left out for those";
        self.findings.error(&step.place, &step.what, why, "write a route for them by hand");
    }

    /// Whether it can't be said which of the requests a step is for.
    fn unclear(&self, clauses: &[Clause], when: &Conditions, treatment: &Treatment) -> bool {
        let met = |conditions: &Conditions| match self.translate(conditions, treatment) {
            Meet::Both(outer) => when.meet(&outer),
            _ => Meet::Unknown,
        };
        clauses
            .iter()
            .any(|clause| met(&clause.is) == Meet::Unknown || clause.not.iter().any(|not| met(not) == Meet::Unknown))
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

fn by_address(clause: &Clause) -> bool {
    clause.is.networks.is_some() || clause.not.iter().any(|not| not.networks.is_some())
}

fn with_prefix(clause: Clause, prefix: &str) -> Option<Clause> {
    match clause.is.meet(&Conditions::path(Path::Prefix(prefix.to_owned()))) {
        Meet::Both(is) => Some(Clause { is, ..clause }),
        _ => None,
    }
}
