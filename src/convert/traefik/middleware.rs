//! Middlewares as steps: what happens to a request one after the other.

mod access;
mod answers;
mod headers;
mod paths;
mod redirects;
mod work;

use std::rc::Rc;

use ipnet::IpNet;

use super::Conversion;
use crate::convert::decision::{Clause, Does, Step, Treatment};
use crate::convert::document::Node;
use crate::convert::output::{Place, Value};

pub use redirects::{redirect_steps, scheme_url};

/// Chains in chains, at most.
const DEEPEST: usize = 16;

/// Something that a listener has as a whole.
#[derive(Debug, Clone)]
pub struct Need {
    /// Which key of the listener.
    pub key: &'static [&'static str],
    /// What it should have.
    pub value: Value,
    /// Who wants it.
    pub what: String,
    /// Where the original says so.
    pub place: Place,
    /// Whether the result is less safe without it.
    pub protects: bool,
}

/// What a router wants of its listener.
pub type Needs = Vec<Need>;

/// A key of a service, its value, and where it comes from.
pub type ServiceKey = (Vec<&'static str>, Value, Place);

/// The middlewares of a router.
pub struct Chain {
    /// Whether clients come by TLS.
    pub tls: bool,
    /// What happens.
    pub steps: Vec<Rc<Step>>,
    /// What the service of the router has to have.
    pub service: Vec<ServiceKey>,
    /// What the listener has to have.
    pub needs: Needs,
    /// Whether a step before asks for credentials.
    pub asks: bool,
    /// Proxies in front that are believed, so that lists are about the clients that these name.
    pub trusted: Vec<IpNet>,
}

impl Chain {
    /// Nothing yet.
    pub fn new(tls: bool, trusted: Vec<IpNet>) -> Self {
        Self { tls, trusted, steps: Vec::new(), service: Vec::new(), needs: Vec::new(), asks: false }
    }

    /// Adds something that changes for all requests.
    pub fn change(&mut self, at: &At<'_>, change: impl Fn(&mut Treatment) + 'static) {
        self.add(at, Does::Change { change: Rc::new(change), protects: false });
    }

    /// Adds something that is asked of all clients.
    pub fn protect(&mut self, at: &At<'_>, change: impl Fn(&mut Treatment) + 'static) {
        self.add(at, Does::Change { change: Rc::new(change), protects: true });
    }

    /// Lets nobody in.
    pub fn close(&mut self, at: &At<'_>) {
        let place = at.place.clone();
        self.protect(at, move |treatment| treatment.closed = Some(place.clone()));
    }

    /// Adds a step for all requests.
    pub fn add(&mut self, at: &At<'_>, does: Does) {
        let step = Step { when: vec![Clause::default()], does, place: at.place.clone(), what: at.what.clone() };
        self.steps.push(Rc::new(step));
    }
}

/// A middleware: what is said of it, and how it is called.
pub struct At<'a> {
    /// Its keys.
    pub node: &'a Node,
    /// Where it stands.
    pub place: Place,
    /// Its name and kind, for findings.
    pub what: String,
    /// Its name.
    pub name: String,
}

/// Adds the middleware of that name to the chain.
pub fn add(conversion: &mut Conversion<'_>, name: &str, place: &Place, chain: &mut Chain, depth: usize) {
    let Some(middleware) = conversion.find(&["http", "middlewares"], name) else {
        let what = format!("http.middlewares.{name}");
        let advice = "what it does is in no file that was read: write it by hand, and take the `deny` away";
        conversion.out.findings.error(place, &what, "it is not there: the router is closed", advice);
        let node = Node { value: crate::convert::document::Value::Null, place: place.clone() };
        chain.close(&At { node: &node, place: place.clone(), what, name: name.to_owned() });
        return;
    };
    if depth > DEEPEST {
        conversion.out.findings.error(place, name, "chains contain each other", "");
        return;
    }
    let mut any = false;
    for (kind, node) in middleware.fields() {
        any = true;
        let at = At {
            node,
            place: node.place.clone(),
            what: format!("http.middlewares.{name}.{kind}"),
            name: name.to_owned(),
        };
        one(conversion, &kind.to_ascii_lowercase(), &at, chain, depth);
    }
    if !any {
        conversion.out.findings.warning(&middleware.place, format!("http.middlewares.{name}"), "it says nothing", "");
    }
}

fn one(conversion: &mut Conversion<'_>, kind: &str, at: &At<'_>, chain: &mut Chain, depth: usize) {
    match kind {
        "chain" => {
            for inner in at.node.texts("middlewares") {
                add(conversion, inner, &at.place, chain, depth + 1);
            }
        }
        "addprefix" | "stripprefix" | "stripprefixregex" | "replacepath" | "replacepathregex" => {
            paths::add(&mut conversion.out, kind, at, chain);
        }
        "redirectscheme" | "redirectregex" => redirects::add(&mut conversion.out, kind, at, chain),
        "headers" => headers::add(&mut conversion.out, at, chain),
        "basicauth" => access::basic(conversion, at, chain),
        "forwardauth" => access::forward(conversion, at, chain),
        "ipallowlist" | "ipwhitelist" => access::addresses(&mut conversion.out, at, chain),
        "ratelimit" => answers::rate_limit(&mut conversion.out, at, chain),
        "inflightreq" => answers::in_flight(&mut conversion.out, at, chain),
        "buffering" => answers::buffering(&mut conversion.out, at, chain),
        "retry" | "circuitbreaker" => work::add(&mut conversion.out, kind, at, chain),
        "compress" => work::compress(&mut conversion.out, at, chain),
        "errors" | "contenttype" | "passtlsclientcert" | "grpcweb" | "encodedcharacters" => {
            work::left_out(&mut conversion.out, kind, at, chain);
        }
        "digestauth" => {
            at.node.seen();
            let advice = "use `auth = { basic = { file = \"users\" } }` over TLS, with hashes of `htpasswd -B`";
            conversion.out.findings.error(
                &at.place,
                &at.what,
                "digest authentication is not there: the router is closed",
                advice,
            );
            chain.close(at);
        }
        _ => {
            at.node.seen();
            let why = "what it does is not known: the router is closed";
            conversion.out.findings.error(
                &at.place,
                &at.what,
                why,
                "write by hand what it does, and take the `deny` away",
            );
            chain.close(at);
        }
    }
}
