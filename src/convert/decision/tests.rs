//! Lists and steps that nobody would write, as requests see them before and after.

use std::rc::Rc;

use super::conditions::{Conditions, Host, Path};
use super::step::{Clause, Does, Step};
use super::steps::unfold;
use super::treatment::{PathChange, Treatment};
use super::{Entry, Letters, routes};
use crate::convert::output::{Findings, Place, Table, Value};

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.roll(texts.len())]
    }
}

const HOSTS: [&str; 4] = ["a.example", "b.example", "x.a.example", "other"];
const PATHS: [&str; 8] = ["/", "/a", "/a/", "/a/b", "/a/b/c", "/b", "/b/1", "/ab"];
const METHODS: [&str; 3] = ["GET", "POST", "PUT"];

#[derive(Debug, Clone)]
struct Request {
    host: &'static str,
    path: String,
    method: &'static str,
    field: &'static str,
}

fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    for host in HOSTS {
        for path in PATHS {
            for method in METHODS {
                for field in ["", "1"] {
                    all.push(Request { host, path: path.to_owned(), method, field });
                }
            }
        }
    }
    all
}

fn conditions(dice: &mut Dice, regexes: bool) -> Conditions {
    let host = match dice.roll(4) {
        0 => Host::Exact(dice.of(&HOSTS).to_owned()),
        1 => Host::Below(dice.of(&["example", "a.example"]).to_owned()),
        _ => Host::Any,
    };
    let mut when = Conditions { host, ..Conditions::default() };
    when.path = match dice.roll(if regexes { 5 } else { 4 }) {
        0 => Path::Exact(dice.of(&PATHS).to_owned()),
        1 | 2 => Path::Prefix(dice.of(&["/", "/a", "/a/", "/a/b", "/b"]).to_owned()),
        3 => Path::Any,
        _ => Path::Regex(dice.of(&["^/b/[0-9]+$", "^/a/[a-z]$"]).to_owned()),
    };
    if dice.roll(4) == 0 {
        when.methods = Some([dice.of(&METHODS).to_owned()].into());
    }
    if dice.roll(4) == 0 {
        when.headers.insert("x-field".to_owned(), "1".to_owned());
    }
    when
}

fn holds(when: &Conditions, request: &Request) -> bool {
    let host = match &when.host {
        Host::Any => true,
        Host::Exact(name) => name == request.host,
        Host::Below(name) => request.host.ends_with(&format!(".{name}")),
    };
    let path = match &when.path {
        Path::Any => true,
        Path::Exact(path) => *path == request.path,
        Path::Prefix(prefix) => request.path.starts_with(prefix),
        Path::Regex(regex) => regex::Regex::new(regex).unwrap().is_match(&request.path),
    };
    let method = when.methods.as_ref().is_none_or(|methods| methods.contains(request.method));
    host && path && method && when.headers.get("x-field").is_none_or(|value| value == request.field)
}

/// The conditions of a route that was written.
fn read(route: &Table) -> Conditions {
    let host = match route.text(&["host"]) {
        None => Host::Any,
        Some(name) => {
            name.strip_prefix("*.").map_or_else(|| Host::Exact(name.to_owned()), |name| Host::Below(name.to_owned()))
        }
    };
    let mut when = Conditions { host, ..Conditions::default() };
    when.path = match (route.text(&["path"]), route.text(&["path_prefix"]), route.text(&["path_regex"])) {
        (Some(path), ..) => Path::Exact(path.to_owned()),
        (_, Some(path), _) => Path::Prefix(path.to_owned()),
        (_, _, Some(path)) => Path::Regex(path.to_owned()),
        _ => Path::Any,
    };
    if let Some(Value::List(methods)) = route.get(&["methods"]) {
        let text = |value: &Value| if let Value::Text(text) = value { text.clone() } else { String::new() };
        when.methods = Some(methods.iter().map(text).collect());
    }
    if let Some(value) = route.text(&["headers", "x-field"]) {
        when.headers.insert("x-field".to_owned(), value.to_owned());
    }
    when
}

/// The route that Evenkeel chooses: the most specific one, of equal ones the first.
fn chosen<'a>(routes: &'a [Table], request: &Request) -> Option<&'a Table> {
    let mut best: Option<(&Table, Conditions)> = None;
    for route in routes {
        let when = read(route);
        if holds(&when, request) && best.as_ref().is_none_or(|(_, known)| when.compare(known).is_gt()) {
            best = Some((route, when));
        }
    }
    best.map(|(route, _)| route)
}

fn place(line: usize) -> Place {
    Place::new(&Rc::from("a"), line)
}

fn service(name: String) -> impl Fn(&mut Treatment) {
    move |treatment| treatment.table.put(&["service"], name.clone(), &place(1))
}

#[test]
fn routes_decide_as_the_list_does() {
    for seed in 0..80 {
        let mut dice = Dice(seed);
        let count = 1 + dice.roll(7);
        let entries: Vec<Entry> = (0..count)
            .map(|index| {
                let mut treatment = Treatment::default();
                service(format!("s{index}"))(&mut treatment);
                Entry { when: conditions(&mut dice, false), treatment, place: place(index), what: "x".into() }
            })
            .collect();
        let mut findings = Findings::default();
        let made = routes(&entries, Letters::AsWritten, &mut findings);
        for request in requests() {
            let wanted = entries
                .iter()
                .find(|entry| holds(&entry.when, &request))
                .map(|entry| entry.treatment.table.text(&["service"]));
            let found = chosen(&made, &request).map(|route| route.text(&["service"]));
            assert_eq!(found, wanted, "seed {seed}, {request:?}, {entries:#?}");
        }
    }
}

#[test]
fn where_expressions_make_another_decision_that_is_told() {
    for seed in 0..80 {
        let mut dice = Dice(seed);
        let entries: Vec<Entry> = (0..5)
            .map(|index| {
                let mut treatment = Treatment::default();
                service(format!("s{index}"))(&mut treatment);
                Entry { when: conditions(&mut dice, true), treatment, place: place(index), what: "x".into() }
            })
            .collect();
        let mut findings = Findings::default();
        let made = routes(&entries, Letters::AsWritten, &mut findings);
        let told = findings.all().iter().any(|finding| finding.severity < crate::convert::output::Severity::Note);
        for request in requests() {
            let wanted = entries
                .iter()
                .find(|entry| holds(&entry.when, &request))
                .map(|entry| entry.treatment.table.text(&["service"]));
            let found = chosen(&made, &request).map(|route| route.text(&["service"]));
            assert!(found == wanted || told, "seed {seed}, {request:?}: {found:?} for {wanted:?}");
        }
    }
}

/// A step that anybody could think of.
fn step(dice: &mut Dice, line: usize, depth: usize) -> Rc<Step> {
    let mut when: Vec<Clause> = (0..1 + dice.roll(2)).map(|_| Clause::from(conditions(dice, false))).collect();
    if dice.roll(3) == 0 {
        when = vec![Clause { is: Conditions::default(), not: vec![conditions(dice, false)] }];
    }
    if dice.roll(3) == 0 {
        when = vec![Clause::default()];
    }
    let does = match dice.roll(if depth > 0 { 6 } else { 5 }) {
        0 | 1 => Does::End(Rc::new(service(format!("s{line}")))),
        2 => {
            let change = move |treatment: &mut Treatment| {
                treatment.table.put(&["request_headers", "set", &format!("h{line}")], "1", &place(line))
            };
            Does::Change { change: Rc::new(change), protects: false }
        }
        3 => Does::Path(PathChange::Strip("/a".to_owned())),
        4 => Does::Path(PathChange::Add("/b".to_owned())),
        _ => {
            let branch = |dice: &mut Dice, index: usize| {
                let inner = (0..2).map(|at| step(dice, line * 10 + index * 3 + at, depth - 1)).collect();
                (vec![Clause::from(conditions(dice, false))], inner)
            };
            Does::Choice((0..2).map(|index| branch(dice, index)).collect())
        }
    };
    Rc::new(Step { when, does, place: place(line), what: "step".into() })
}

fn selected(clauses: &[Clause], request: &Request) -> bool {
    clauses.iter().any(|clause| holds(&clause.is, request) && !clause.not.iter().any(|not| holds(not, request)))
}

/// What happens to one request, step by step: the service, the fields that are set, and the path.
fn walked(steps: &[Rc<Step>], request: &mut Request, treatment: &mut Treatment) -> bool {
    for step in steps {
        match &step.does {
            Does::Choice(branches) => {
                let branch = branches.iter().find(|(clauses, _)| selected(clauses, request));
                if branch.is_some_and(|(_, inner)| walked(inner, request, treatment)) {
                    return true;
                }
            }
            _ if !selected(&step.when, request) => {}
            Does::End(change) => {
                change(treatment);
                return true;
            }
            Does::Change { change, .. } => change(treatment),
            Does::Path(PathChange::Strip(prefix)) => {
                if let Some(rest) = request.path.strip_prefix(prefix.as_str()) {
                    request.path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
                }
            }
            Does::Path(PathChange::Add(prefix)) => request.path = format!("{prefix}{}", request.path),
            Does::Path(PathChange::Replace(path)) => request.path.clone_from(path),
        }
    }
    false
}

#[test]
fn steps_do_to_each_request_what_they_do_one_after_the_other() {
    let none = Step {
        when: Vec::new(),
        does: Does::End(Rc::new(service("none".into()))),
        place: place(0),
        what: "end".into(),
    };
    let mut compared = 0;
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let count = 1 + dice.roll(5);
        let steps: Vec<_> = (1..=count).map(|line| step(&mut dice, line, 1)).collect();
        let mut findings = Findings::default();
        let entries = unfold(&steps, Conditions::default(), Treatment::default(), &none, &mut findings);
        for request in requests() {
            let Some(entry) = entries.iter().find(|entry| holds(&entry.when, &request)) else {
                panic!("seed {seed}: nothing takes {request:?}");
            };
            let (mut alone, mut treatment) = (request.clone(), Treatment::default());
            if !walked(&steps, &mut alone, &mut treatment) {
                service("none".into())(&mut treatment);
            }
            // where no slash is left behind a prefix that was taken off, one is added, which no condition on the path before can say
            if request.path == "/a" || request.path.starts_with("/ab") || alone.path.contains("//") {
                continue;
            }
            let said = |table: &Table| {
                (table.text(&["service"]).map(str::to_owned), format!("{:?}", table.get(&["request_headers"])))
            };
            assert_eq!(said(&entry.treatment.table), said(&treatment.table), "seed {seed}, {request:?}, {steps:#?}");
            compared += 1;
        }
    }
    assert!(compared > 5_000, "{compared}");
}
