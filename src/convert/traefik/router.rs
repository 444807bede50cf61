//! Routers for HTTP as routes of a listener.

use std::rc::Rc;

use super::entry_point::{self, EntryPoint};
use super::middleware::{self, Chain, Needs};
use super::service::{self, Target};
use super::{Conversion, rule, tls};
use crate::convert::decision::{self, Clause, Conditions, Does, Step, Treatment};
use crate::convert::document::Node;
use crate::convert::output::{Place, Table, Value};
use crate::convert::plain::{put_route, refuse_ambiguous};

/// The body limits, client certificates and the like that the routers of a listener want, each with the router's name.
type Wanted = Vec<(String, Needs)>;

/// A router of an entry point.
pub struct Router<'a> {
    /// Its name.
    pub name: String,
    /// What is said of it.
    pub node: &'a Node,
    /// The greater one is asked first.
    pub priority: i64,
}

/// A branch: requests, and what is done with them.
type Branch = (Vec<Clause>, Vec<Rc<Step>>);

/// The routers of an entry point, in the order in which Traefik asks them.
pub fn of<'a>(conversion: &Conversion<'a>, point: &EntryPoint<'a>) -> Vec<Router<'a>> {
    let mut routers: Vec<Router<'a>> = Vec::new();
    for (name, node) in conversion.all(&["http", "routers"]) {
        let named = node.texts("entryPoints");
        let here = if named.is_empty() { point.by_default } else { named.contains(&point.name.as_str()) };
        // without the static configuration, the two usual entry points are told apart by TLS
        let guessed = conversion.fixed.is_none() && named.is_empty();
        if !here || guessed && node.get("tls").is_some() != (point.name == "websecure") {
            continue;
        }
        let length = node.text("rule").map_or(0, str::len) as i64;
        let priority = node.text("priority").and_then(|text| text.parse().ok()).filter(|priority| *priority != 0);
        routers.push(Router { name, node, priority: priority.unwrap_or(length) });
    }
    routers.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
    routers
}

/// The listener of an entry point with its routes.
pub fn listener<'a>(
    conversion: &mut Conversion<'a>,
    point: &EntryPoint<'a>,
    points: &[EntryPoint<'a>],
    routers: Vec<Router<'a>>,
    redirects: Option<&'a Node>,
) {
    let mut listener = entry_point::table(conversion, point, "http");
    let whole = entry_point::has_tls(point);
    let (routers, tls) = of_one_kind(conversion, routers, whole);
    if tls {
        let options = tls_options(point, &routers);
        tls::add(conversion, point, &options, &mut listener);
    }
    let mut branches: Vec<(i64, Branch)> = Vec::new();
    let mut wanted: Wanted = Vec::new();
    for router in &routers {
        if let Some(branch) = branch(conversion, point, router, tls, &mut wanted) {
            branches.push((router.priority, branch));
        }
    }
    if let Some(node) = redirects {
        let priority = node.text("priority").and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
        branches.push((priority, redirect_all(node, points)));
    }
    branches.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    let branches = branches.into_iter().map(|(_, branch)| branch).collect();
    for route in routes(conversion, point, branches) {
        put_route(&mut listener, route);
    }
    refuse_ambiguous(&mut listener, &mut conversion.out.findings);
    apply_needs(conversion, point, &mut listener, &wanted, routers.len() + usize::from(redirects.is_some()));
    conversion.out.listeners.push(listener);
}

/// Those with TLS, if there are any, and else those without; and which it is.
fn of_one_kind<'a>(conversion: &mut Conversion<'a>, routers: Vec<Router<'a>>, whole: bool) -> (Vec<Router<'a>>, bool) {
    let (with_tls, plain): (Vec<_>, Vec<_>) =
        routers.into_iter().partition(|router| whole || router.node.get("tls").is_some());
    if !whole && with_tls.is_empty() {
        return (plain, false);
    }
    for router in &plain {
        router.node.seen();
        let why =
            "it takes plain HTTP at a port at which others have TLS: a listener has one of the two, and here it is TLS";
        let what = format!("http.routers.{}", router.name);
        conversion.out.findings.warning(&router.node.place, what, why, "give it a port of its own");
    }
    (with_tls, true)
}

/// The routes of a listener, of branches of which the first that fits counts.
fn routes(conversion: &mut Conversion<'_>, point: &EntryPoint<'_>, branches: Vec<Branch>) -> Vec<Table> {
    let place = point.place.clone();
    let what = format!("entryPoints.{}", point.name);
    let all = vec![Clause::default()];
    let step = Step { when: all, does: Does::Choice(branches), place: place.clone(), what: what.clone() };
    let end = Step { when: Vec::new(), does: Does::End(Rc::new(not_found(&place))), place: place.clone(), what };
    let findings = &mut conversion.out.findings;
    let mut entries = decision::unfold(&[Rc::new(step)], Conditions::default(), Treatment::default(), &end, findings);
    // whoever comes to the end of all is answered with 404 in any case
    if entries.last().is_some_and(|entry| entry.when == Conditions::default() && entry.place == place) {
        entries.pop();
    }
    decision::routes(&entries, decision::Letters::AsWritten, findings)
}

fn not_found(place: &Place) -> impl Fn(&mut Treatment) + use<> {
    let place = place.clone();
    move |treatment| {
        treatment.table.put(&["respond", "status"], 404, &place);
        treatment.table.put(&["respond", "body"], "404 page not found\n", &place);
        treatment.denies = true;
    }
}

/// The names of the options of TLS that routers of an entry point have.
fn tls_options(point: &EntryPoint<'_>, routers: &[Router<'_>]) -> Vec<(String, Place)> {
    let name = |node: Option<&Node>| {
        node.and_then(|tls| tls.text("options")).map(|name| name.trim_end_matches("@file").to_owned())
    };
    let tls = point.node.and_then(|node| node.at(&["http", "tls"]));
    let own = name(tls);
    for node in tls.into_iter().chain(routers.iter().filter_map(|router| router.node.get("tls"))) {
        node.get("certResolver");
        node.get("domains").into_iter().for_each(Node::seen);
    }
    let of_router = |router: &Router<'_>| {
        let name = name(router.node.get("tls")).or_else(|| own.clone()).unwrap_or_else(|| "default".to_owned());
        (name, router.node.place.clone())
    };
    let mut all: Vec<_> = routers.iter().map(of_router).collect();
    if all.is_empty() {
        all.push((own.unwrap_or_else(|| "default".to_owned()), point.place.clone()));
    }
    all
}

/// A redirect of everything to another entry point.
fn redirect_all(node: &Node, points: &[EntryPoint<'_>]) -> Branch {
    let to = node.text("to").unwrap_or_default();
    let port = match points.iter().find(|point| point.name == to) {
        Some(point) => point.address.1.as_str(),
        None => to.trim_start_matches(':'),
    };
    let scheme = node.text("scheme").unwrap_or("https");
    let permanent = node.text("permanent").is_none_or(|text| text.eq_ignore_ascii_case("true"));
    let to = middleware::scheme_url(scheme, port);
    let steps = middleware::redirect_steps(&to, permanent, &node.place, "http.redirections");
    (vec![Clause::default()], steps)
}

/// What is done with the requests of a router. `None` = its rule can't be carried over.
fn branch<'a>(
    conversion: &mut Conversion<'a>,
    point: &EntryPoint<'a>,
    router: &Router<'a>,
    tls: bool,
    wanted: &mut Wanted,
) -> Option<Branch> {
    let what = format!("http.routers.{}", router.name);
    let node = router.node;
    node.get("ruleSyntax");
    node.get("observability").into_iter().for_each(Node::seen);
    let place = node.get("rule").map_or(&node.place, |rule| &rule.place).clone();
    let read = match node.text("rule") {
        Some(text) => rule::read(text),
        None => Err("it has no rule".to_owned()),
    };
    let clauses = match read {
        Ok(read) => {
            for remark in read.remarks {
                conversion.out.findings.warning(&place, &what, remark, "");
            }
            read.clauses
        }
        Err(reason) => {
            return unclear(conversion, point, router, &place, &reason);
        }
    };
    if node.get("parentRefs").is_some() {
        return unclear(conversion, point, router, &place, "routers below others are not carried over");
    }
    let proxied = !entry_point::trusted(point).is_empty();
    if proxied
        && clauses
            .iter()
            .any(|clause| clause.is.networks.is_some() || clause.not.iter().any(|not| not.networks.is_some()))
    {
        let why = "ClientIP is about the proxy in front, where forwardedHeaders.trustedIPs has one, and lists here are about the client that it names";
        return unclear(conversion, point, router, &place, why);
    }
    let mut chain = chain_of(conversion, point, router, tls);
    let ends = chain.steps.last().is_some_and(|step| matches!(step.does, Does::End(_)));
    if !ends {
        let step = end(conversion, router, &chain);
        chain.steps.push(Rc::new(step));
    }
    wanted.push((router.name.clone(), chain.needs));
    Some((clauses, chain.steps))
}

/// Its middlewares, after those of the entry point.
fn chain_of<'a>(conversion: &mut Conversion<'a>, point: &EntryPoint<'a>, router: &Router<'a>, tls: bool) -> Chain {
    let mut chain = Chain::new(tls, entry_point::trusted(point));
    let names = point.node.and_then(|node| node.get("http")).map(|http| http.texts("middlewares")).unwrap_or_default();
    for name in names.into_iter().chain(router.node.texts("middlewares")) {
        middleware::add(conversion, name, &router.node.place, &mut chain, 0);
    }
    chain
}

/// A router of which it can't be said which requests it takes. Where it refuses somebody, all that it could take is refused, and does not go to the
/// routers that are asked after it.
fn unclear<'a>(
    conversion: &mut Conversion<'a>,
    point: &EntryPoint<'a>,
    router: &Router<'a>,
    place: &Place,
    reason: &str,
) -> Option<Branch> {
    let what = format!("http.routers.{}", router.name);
    let chain = chain_of(conversion, point, router, false);
    let protects = chain.steps.iter().any(|step| decision::refuses(step)) || !chain.needs.is_empty();
    router.node.seen();
    let advice = "write a route by hand: docs/routing.md has the conditions";
    if !protects {
        let why = format!("{reason}: the router is left out, and its requests go where others take them");
        conversion.out.findings.error(place, &what, why, advice);
        return None;
    }
    let why = format!("{reason}: the router asks something of clients, so all requests that it could take are refused");
    conversion.out.findings.error(place, &what, why, format!("{advice}; then take the `deny` away"));
    let at = place.clone();
    let change = move |treatment: &mut Treatment| {
        treatment.table.put(&["respond", "status"], 403, &at);
        treatment.closed = Some(at.clone());
        treatment.denies = true;
    };
    let does = Does::End(Rc::new(change));
    let step = Step { when: vec![Clause::default()], does, place: place.clone(), what };
    Some((rule::at_most(router.node.text("rule").unwrap_or_default()), vec![Rc::new(step)]))
}

/// The end: the service.
fn end(conversion: &mut Conversion<'_>, router: &Router<'_>, chain: &Chain) -> Step {
    let node = router.node;
    let (name, place) = match node.get("service") {
        Some(service) => (service.scalar().unwrap_or_default().to_owned(), service.place.clone()),
        None => (String::new(), node.place.clone()),
    };
    let what = format!("http.routers.{}", router.name);
    let target = if let Some(internal) = name.strip_suffix("@internal") {
        let advice = "the admin address (127.0.0.1:9900) has the page, the API, metrics and health; it is not reached through a listener unless a service names it as a backend";
        conversion.out.findings.warning(
            &place,
            &what,
            format!("{internal} of Traefik itself is not there: requests are answered with 404"),
            advice,
        );
        Target::Missing(404)
    } else {
        service::target(conversion, &name, &place, &chain.service)
    };
    let at = place.clone();
    let change = move |treatment: &mut Treatment| target.write(treatment, &at);
    Step { when: vec![Clause::default()], does: Does::End(Rc::new(change)), place, what }
}

/// What belongs to a listener as a whole, if all of its routers want the same.
fn apply_needs(
    conversion: &mut Conversion<'_>,
    point: &EntryPoint<'_>,
    listener: &mut Table,
    wanted: &Wanted,
    routers: usize,
) {
    let findings = &mut conversion.out.findings;
    let mut told: Vec<Place> = Vec::new();
    for (_, needs) in wanted {
        for need in needs {
            if told.contains(&need.place) {
                continue;
            }
            told.push(need.place.clone());
            let same = |other: &middleware::Need| other.key == need.key && other.value == need.value;
            let all = wanted.iter().filter(|(_, needs)| needs.iter().any(same)).count();
            let redirects = routers - wanted.len();
            if all + redirects == routers {
                listener.put(need.key, need.value.clone(), &need.place);
                continue;
            }
            let key = need.key.join(".");
            let value = match &need.value {
                Value::Text(text) => format!("\"{text}\""),
                Value::Number(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            let why = format!(
                "it holds for some routers of `{}` only, and `{key}` is for a listener as a whole: it is left out",
                point.name
            );
            let advice = format!(
                "set `{key} = {value}` of the listener if it may hold for all, or give these routers a listener of their own"
            );
            if need.protects {
                findings.error(&need.place, &need.what, why, advice);
            } else {
                findings.warning(&need.place, &need.what, why, advice);
            }
        }
    }
}
