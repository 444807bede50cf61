//! Who may come in. What can't be carried over is an error, and what it protects is closed.

use ipnet::IpNet;

use super::parse::Directive;
use super::proxy;
use super::site::Site;
use super::variables;
use super::world::{Scope, World};
use crate::convert::networks::{self, Rule};
use crate::convert::output::{Place, Table};

/// All that the blocks around a location ask of clients.
pub fn apply(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, route: &mut Table) {
    let rules = rules(world, &scope.any(&["allow", "deny"]));
    put_lists(&rules, route);
    let basic = scope.one("auth_basic").filter(|directive| directive.arg(0) != "off");
    if let Some(directive) = basic {
        basic_auth(world, scope, directive, route);
    }
    if let Some(directive) = scope.one("auth_request").filter(|directive| directive.arg(0) != "off") {
        if basic.is_some() {
            closed(
                world,
                directive,
                "a route has one kind of `auth`, and `auth_basic` is said too",
                "have the service of `auth_request` ask for the password",
                route,
            );
        } else {
            auth_request(world, site, scope, directive, route);
        }
    }
    if let Some(directive) = scope.one("auth_jwt").filter(|directive| directive.arg(0) != "off") {
        let other =
            ["auth_basic", "auth_request"].iter().find(|name| scope.one(name).is_some_and(|one| one.arg(0) != "off"));
        match other {
            Some(other) => {
                let why = format!("a route has one kind of `auth`, and `{other}` is said too");
                closed(world, directive, &why, "have the service of `auth_request` look at the token", route);
            }
            None => jwt(world, scope, directive, route),
        }
    }
    if let Some(directive) = scope.one("satisfy").filter(|directive| directive.arg(0) == "any")
        && !rules.is_empty()
        && route.get(&["auth"]).is_some()
    {
        let why = "the network and the credentials are asked for both, so some who came in don't";
        let advice = "give those of the network a listener of their own, or take `allow` or `auth` away";
        world.findings().warning(&directive.place, directive.text(), why, advice);
    }
}

/// Whether `deny all` stands before all others, and nothing else lets anybody in.
pub fn denies_all(scope: &Scope<'_>) -> bool {
    let first = scope.any(&["allow", "deny"]).into_iter().next();
    first.is_some_and(|first| first.name == "deny" && first.arg(0) == "all") && scope.value("satisfy", "all") != "any"
}

/// What directives ask of clients.
const ASKING: [&str; 5] = ["allow", "deny", "auth_basic", "auth_request", "auth_jwt"];

/// Whether anything around a location asks something of clients.
pub fn asks(scope: &Scope<'_>) -> bool {
    ASKING.iter().any(|name| scope.one(name).is_some_and(|directive| directive.arg(0) != "off")) || asks_itself(scope)
}

/// Whether the innermost block asks something of clients, or refuses some of them, or all.
pub fn asks_itself(scope: &Scope<'_>) -> bool {
    own(scope).is_some() || ["limit_except", "if", "internal", "return"].iter().any(|name| !scope.here(name).is_empty())
}

/// What the innermost block asks by itself.
fn own<'a>(scope: &Scope<'a>) -> Option<&'a Directive> {
    ASKING.iter().find_map(|name| scope.here(name).into_iter().next())
}

/// The same where one location hands its requests on to another one, whose demands the route has already: those of both hold.
pub fn of_both(world: &mut World<'_>, site: &Site<'_>, (first, second): (&Scope<'_>, &Scope<'_>), route: &mut Table) {
    match (own(first), own(second)) {
        (None, _) => {}
        (Some(_), None) => {
            for key in ["allow", "deny", "auth"] {
                route.remove(&[key]);
            }
            apply(world, site, first, route);
        }
        (Some(directive), Some(_)) => {
            let why = "both this location and the one that it hands requests on to ask something of clients";
            closed(world, directive, why, "write what both ask into `allow`, `deny` and `auth` of the route", route);
        }
    }
}

/// The ordered rules of `allow` and `deny`.
pub fn rules(world: &mut World<'_>, directives: &[&Directive]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for directive in directives {
        let networks = match directive.arg(0) {
            "all" => networks::everybody(),
            "unix:" => {
                world.findings().note(
                    &directive.place,
                    directive.text(),
                    "clients of a Unix socket have no address: a list lets none of them in",
                    "",
                );
                continue;
            }
            text => match networks::parse(text) {
                Some(network) => vec![network],
                None => {
                    world.findings().error(
                        &directive.place,
                        directive.text(),
                        "this is no network",
                        "write an address, or a network such as 10.0.0.0/8",
                    );
                    continue;
                }
            },
        };
        rules.push(Rule { allow: directive.name == "allow", networks, place: directive.place.clone() });
    }
    rules
}

/// Puts them into a route or a listener.
pub fn put_lists(rules: &[Rule], table: &mut Table) {
    let (allow, deny) = networks::lists(rules);
    for (key, list, allows) in [("allow", allow, true), ("deny", deny, false)] {
        for network in list {
            table.push(&[key], network);
        }
        for rule in rules.iter().filter(|rule| rule.allow == allows) {
            table.comes_from(&[key], &rule.place);
        }
    }
}

fn closed(world: &mut World<'_>, directive: &Directive, why: &str, advice: &str, route: &mut Table) {
    world.findings().error(&directive.place, directive.text(), why, advice);
    route.close(&directive.place);
}

fn basic_auth(world: &mut World<'_>, scope: &Scope<'_>, directive: &Directive, route: &mut Table) {
    let Some(file) = scope.one("auth_basic_user_file") else {
        closed(world, directive, "no `auth_basic_user_file` says who they are", "name the file", route);
        return;
    };
    if variables::has_any(file.arg(0)) || variables::has_any(directive.arg(0)) {
        closed(
            world,
            file,
            "a name with variables is not known here",
            "write the names out, in a route for each",
            route,
        );
        return;
    }
    let weak = world.original.read(file.arg(0)).ok().and_then(|(_, text)| weak_hash(&text));
    if let Some((line, user)) = weak {
        let why = format!(
            "line {line} has a hash for `{user}` that protects nothing (MD5, SHA-1, crypt or plain text): only bcrypt and argon2 are taken"
        );
        let advice = "set the passwords anew with `htpasswd -B`, then put `auth = { basic = { file = \"...\" } }` in the place of `deny`";
        closed(world, file, &why, advice, route);
        return;
    }
    route.put(&["auth", "basic", "file"], file.arg(0), &file.place);
    route.put(&["auth", "basic", "realm"], directive.arg(0), &directive.place);
    if let Some(header) = told_user(scope) {
        route.put(&["auth", "basic", "user_header"], header.arg(0).to_ascii_lowercase(), &header.place);
    }
    // nginx passes the field on; without a word ours does not
    route.put(&["auth", "basic", "forward_authorization"], true, &directive.place);
}

/// The first line of a file of users whose hash is not taken.
pub fn weak_hash(text: &str) -> Option<(usize, String)> {
    let good = ["$2y$", "$2a$", "$2b$", "$argon2"];
    text.lines().enumerate().find_map(|(number, line)| {
        let (user, hash) = line.trim().split_once(':')?;
        let weak = !user.starts_with('#') && !good.iter().any(|begin| hash.starts_with(begin));
        weak.then(|| (number + 1, user.to_owned()))
    })
}

/// The field that tells backends the name that `auth_basic` found.
pub fn told_user<'a>(scope: &Scope<'a>) -> Option<&'a Directive> {
    let fields = scope.all("proxy_set_header").into_iter().chain(scope.all("grpc_set_header"));
    fields.into_iter().find(|header| variables::sole(header.arg(1)) == Some("remote_user"))
}

fn auth_request(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, directive: &Directive, route: &mut Table) {
    let path = directive.arg(0);
    let location = site.server.inner().iter().find(|location| {
        location.name == "location" && location.args.last().is_some_and(|last| last.trim_start_matches('=') == path)
    });
    let inner = location.map(|location| site.scope.within(location));
    let Some((pass, inner)) =
        inner.as_ref().and_then(|inner| Some((inner.here("proxy_pass").into_iter().last()?, inner)))
    else {
        let advice = "`auth.forward` asks a service: docs/access.md";
        closed(
            world,
            directive,
            "no location with that path passes requests on, so it is not known who is asked",
            advice,
            route,
        );
        return;
    };
    let target = proxy::target(inner, pass.arg(0));
    let Some(service) = proxy::service(world, inner, &target, pass) else {
        closed(world, directive, "it is not known who is asked", "name the service in `auth.forward`", route);
        return;
    };
    route.put(&["auth", "forward", "service"], service, &pass.place);
    let asked = target.path.unwrap_or_else(|| path.to_owned());
    let asked = asked.replace("$request_uri", "");
    route.put(&["auth", "forward", "path"], asked.as_str(), &pass.place);
    let why = "the question has `Cookie` and `Authorization` of the request, and none of its other fields";
    world.findings().note(
        &directive.place,
        directive.text(),
        why,
        "`auth.forward.request_headers` names those that it is to have",
    );
    answered(world, scope, route);
}

/// Fields of the answer that go on, to the backend or to the client.
fn answered(world: &mut World<'_>, scope: &Scope<'_>, route: &mut Table) {
    for set in scope.all("auth_request_set") {
        let Some(field) = set.arg(1).strip_prefix("$upstream_http_").map(|field| field.replace('_', "-")) else {
            continue;
        };
        let variable = set.arg(0);
        let mut to_backend = scope.all("proxy_set_header");
        to_backend.extend(scope.all("grpc_set_header"));
        to_backend.retain(|header| variables::sole(header.arg(1)) == variables::sole(variable));
        let to_client = scope.all("add_header").into_iter().find(|header| header.arg(1) == variable);
        let nothing = to_backend.is_empty();
        for header in to_backend {
            route.push_once(&["auth", "forward", "response_headers"], field.as_str(), &set.place);
            if header.arg(0).eq_ignore_ascii_case(&field) {
                continue;
            }
            let why = format!(
                "the answer's `{field}` can't go on under another name; `{}` is taken out of requests",
                header.arg(0)
            );
            world.findings().warning(&header.place, header.text(), why, "have the backend read the other name");
            route.push_once(&["request_headers", "remove"], header.arg(0).to_ascii_lowercase().as_str(), &header.place);
        }
        if nothing && to_client.is_some() {
            route.push_from(&["auth", "forward", "client_headers"], field.as_str(), &set.place);
        }
    }
}

fn jwt(world: &mut World<'_>, scope: &Scope<'_>, directive: &Directive, route: &mut Table) {
    let keys = scope.one("auth_jwt_key_file").filter(|keys| !variables::has_any(keys.arg(0)));
    let from = directive.args.iter().find_map(|arg| arg.strip_prefix("token="));
    let from = from.map(super::upstream::hashed);
    match (keys, &from) {
        (Some(keys), None | Some(Some(_))) => {
            route.put(&["auth", "jwt", "jwks"], keys.arg(0), &keys.place);
            if let Some(Some(from)) = from {
                route.put(&["auth", "jwt", "from"], from.as_str(), &directive.place);
            }
            let why = "nginx looks at the signature and the times; say whose tokens come in";
            world.findings().note(&directive.place, directive.text(), why, "`issuer` and `audience` of `auth.jwt`");
        }
        _ => closed(
            world,
            directive,
            "it is not known by which keys tokens are verified",
            "`auth.jwt` takes a file or a URL of keys (`jwks`)",
            route,
        ),
    }
}

/// `limit_except METHODS { deny all; }`: the routes for the named methods, and for the others.
pub fn limit_except(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, route: Table) -> Vec<Table> {
    let Some(directive) = scope.here("limit_except").into_iter().last() else { return vec![route] };
    if route.get(&["methods"]).is_some() {
        let mut route = route;
        let why = "the methods of this route come from a `map`: nobody is let in by it";
        closed(world, directive, why, "write a route for each method", &mut route);
        return vec![route];
    }
    let mut methods: Vec<String> = directive.args.iter().map(|method| method.to_ascii_uppercase()).collect();
    if methods.iter().any(|method| method == "GET") && !methods.iter().any(|method| method == "HEAD") {
        methods.push("HEAD".to_owned());
    }
    let mut others = route.clone();
    let inner = scope.within(directive);
    // what the block says stands in the place of what is said around it, and the rest is said once more
    for key in ["allow", "deny", "auth"] {
        others.remove(&[key]);
    }
    apply(world, site, &inner, &mut others);
    let mut named = route;
    named.put(&["methods"], methods, &directive.place);
    vec![named, others]
}

/// What an address is that no line of a `geo` block has, and the networks of its lines, each with what it is.
pub type Geo<'a> = (&'a str, Vec<(IpNet, &'a str, Place)>);

/// The networks of a `geo` block, in the order of the longest first, with what each of them is.
pub fn geo<'a>(world: &World<'a>, name: &str) -> Option<Geo<'a>> {
    let geo = world.geos.get(name)?;
    if geo.args.len() > 1 && !matches!(geo.arg(0), "$remote_addr" | "$realip_remote_addr") {
        return None;
    }
    let mut default = "";
    let mut lines = Vec::new();
    for line in geo.inner() {
        match line.name.as_str() {
            "default" => default = line.arg(0),
            "proxy" | "proxy_recursive" | "ranges" | "delete" => return None,
            network => lines.push((networks::parse(network)?, line.arg(0), line.place.clone())),
        }
    }
    Some((default, lines))
}
