//! Fields that are changed on the way to backends and to clients.

use super::parse::Directive;
use super::site::Site;
use super::variables::{self, translated};
use super::world::{Scope, World};
use crate::convert::output::Table;

/// Fields that belong to the connection: they are ours to write, upgrades included.
const OF_THE_CONNECTION: [&str; 8] =
    ["connection", "upgrade", "te", "trailer", "keep-alive", "proxy-connection", "content-length", "transfer-encoding"];

/// `proxy_set_header`, or `grpc_set_header`. `authority` is what `$proxy_host` is.
pub fn to_backend(
    world: &mut World<'_>,
    site: &Site<'_>,
    scope: &Scope<'_>,
    prefix: &str,
    authority: &str,
    route: &mut Table,
) {
    let said = scope.all(&format!("{prefix}_set_header"));
    if !said.iter().any(|directive| directive.arg(0).eq_ignore_ascii_case("host")) && !authority.starts_with("unix:") {
        // without a word, nginx names the upstream
        let place = scope.one(&format!("{prefix}_pass")).map_or(&site.server.place, |directive| &directive.place);
        route.put(&["rewrite", "host"], authority, place);
    }
    for directive in said {
        let (field, value) = (directive.arg(0).to_ascii_lowercase(), directive.arg(1));
        if OF_THE_CONNECTION.contains(&field.as_str()) {
            continue;
        }
        if field == "host" {
            host(world, site, scope, (directive, authority), route);
        } else if !is_sent_anyway(&field, value) {
            one_field(world, site, scope, directive, &field, route);
        }
    }
}

/// Whether Evenkeel tells backends the same by itself.
fn is_sent_anyway(field: &str, value: &str) -> bool {
    match field {
        "x-forwarded-for" => matches!(value, "$proxy_add_x_forwarded_for" | "$remote_addr"),
        "x-forwarded-proto" => value == "$scheme",
        "x-forwarded-host" => matches!(value, "$host" | "$http_host"),
        _ => false,
    }
}

fn host(
    world: &mut World<'_>,
    site: &Site<'_>,
    scope: &Scope<'_>,
    (directive, authority): (&Directive, &str),
    route: &mut Table,
) {
    let value = directive.arg(1);
    let place = &directive.place;
    let as_it_came = ["$host", "$http_host", "$host:$server_port", "$host:$proxy_port"];
    if as_it_came.contains(&value) {
        if value.contains(':') {
            let why = "the host goes on as the client wrote it: with a port only where it wrote one";
            world.findings().note(place, directive.text(), why, "`rewrite.host` has another one");
        }
        return;
    }
    if matches!(value, "$proxy_host" | "$proxy_host:$proxy_port") {
        route.put(&["rewrite", "host"], authority, place);
        return;
    }
    match translated(value, &site.known(scope, false)) {
        Ok(host) if !host.contains("${") && !host.is_empty() => route.put(&["rewrite", "host"], host, place),
        Ok(host) if host == "${host}" => {}
        _ => {
            let advice = "`rewrite.host` takes a name; the host goes on as it came";
            world.findings().warning(place, directive.text(), "a host can't be made of that", advice);
        }
    }
}

fn one_field(
    world: &mut World<'_>,
    site: &Site<'_>,
    scope: &Scope<'_>,
    directive: &Directive,
    field: &str,
    route: &mut Table,
) {
    let (value, place) = (directive.arg(1), &directive.place);
    if value.is_empty() {
        route.push_from(&["request_headers", "remove"], field, place);
        return;
    }
    if variables::sole(value)
        .is_some_and(|name| name.strip_prefix("http_").is_some_and(|name| name.replace('_', "-") == field))
    {
        return;
    }
    match translated(value, &site.known(scope, false)) {
        Ok(ours) => route.put(&["request_headers", "set", field], ours, place),
        Err(unknown) => {
            // what `auth` tells backends by itself
            if is_told_by_auth(scope, directive) {
                return;
            }
            // a backend that believes the field must not get it from a client
            route.push_once(&["request_headers", "remove"], field, place);
            let of_auth = |name: &String| {
                name == "$remote_user" || scope.all("auth_request_set").iter().any(|set| set.arg(0) == *name)
            };
            if unknown.iter().any(of_auth) {
                let why = "the answer of `auth` can't be put into a value: the field is taken out of requests";
                let advice = "have the backend read the field of the answer itself: `auth.forward.response_headers`, `auth.basic.user_header`";
                if unknown.iter().any(|name| name == "$remote_user") && scope.value("auth_basic", "off") == "off" {
                    // nobody is asked for a password, so nobody's word counts, and nginx sends no name
                    return;
                }
                world.findings().error(place, directive.text(), why, advice);
                return;
            }
            let why = format!(
                "there is no variable for {}; the field is taken out, so that no client can send it",
                unknown.join(", ")
            );
            let advice = if unknown.iter().any(|name| name.starts_with("$ssl_client")) {
                "`client_cert_header` of [listener.tls] tells backends of the client's certificate (RFC 9440)"
            } else {
                "docs/headers.md lists the variables"
            };
            world.findings().warning(place, directive.text(), why, advice);
        }
    }
}

/// Whether `auth` of the route sets the field, so that no client's goes through: to the whole of what was found out, and not to a text made of it.
fn is_told_by_auth(scope: &Scope<'_>, header: &Directive) -> bool {
    let Some(name) = variables::sole(header.arg(1)) else { return false };
    let is_on = |directive: &str| scope.value(directive, "off") != "off";
    if name == "remote_user" {
        let first = super::access::told_user(scope);
        return is_on("auth_basic") && first.is_some_and(|first| std::ptr::eq(first, header));
    }
    let sets = scope.all("auth_request_set");
    let set = sets.into_iter().find(|set| variables::sole(set.arg(0)) == Some(name));
    is_on("auth_request") && set.is_some_and(|set| set.arg(1).starts_with("$upstream_http_"))
}

/// What is not sent to backends at all. An internal question of `auth_request` or `mirror` has no body here anyway.
pub fn not_sent(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, pass: &Directive, route: &mut Table) {
    let off = |name: &str| scope.one(name).filter(|directive| directive.arg(0) == "off");
    let advice = "`request_headers = { remove = [...] }` names those that backends must not get";
    if let Some(directive) = off("proxy_pass_request_headers") {
        let why = "all fields of requests would go on, which the original keeps from backends: it is closed";
        world.findings().error(&directive.place, directive.text(), why, advice);
        route.close(&directive.place);
    }
    if let Some(directive) = off("proxy_pass_request_body")
        && !is_asked(site.server, site.server.inner(), pass)
    {
        let why = "bodies of requests go on, which the original keeps from backends";
        world.findings().error(
            &directive.place,
            directive.text(),
            why,
            "`max_body = \"0B\"` of a listener refuses them",
        );
    }
}

/// Whether the location that passes requests on by this line is one that `auth_request` or `mirror` asks.
fn is_asked(server: &Directive, inner: &[Directive], pass: &Directive) -> bool {
    fn names(inner: &[Directive], path: &str) -> bool {
        inner.iter().any(|directive| {
            matches!(directive.name.as_str(), "auth_request" | "mirror") && directive.arg(0) == path
                || names(directive.inner(), path)
        })
    }
    inner.iter().filter(|directive| directive.name == "location").any(|location| {
        location.inner().iter().any(|directive| std::ptr::eq(directive, pass))
            && names(server.inner(), location.args.concat().trim_start_matches('='))
            || is_asked(server, location.inner(), pass)
    })
}

/// `add_header`, `expires`, `proxy_hide_header`.
pub fn to_client(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, route: &mut Table) {
    for directive in scope.all("proxy_hide_header").into_iter().chain(scope.all("grpc_hide_header")) {
        route.push_from(&["response_headers", "remove"], directive.arg(0).to_ascii_lowercase(), &directive.place);
    }
    for directive in scope.all("add_header") {
        let (field, value) = (directive.arg(0).to_ascii_lowercase(), directive.arg(1));
        if value.is_empty() {
            continue;
        }
        match translated(value, &site.known(scope, true)) {
            Ok(ours) => {
                if route.get(&["response_headers", "add", &field]).is_some() {
                    let why = "a field can be added once; this takes the place of the line before";
                    world.findings().warning(
                        &directive.place,
                        directive.text(),
                        why,
                        "write both values in one line, with a comma",
                    );
                }
                route.put(&["response_headers", "add", &field], ours, &directive.place);
            }
            Err(unknown) => {
                let why = format!("there is no variable for {}", unknown.join(", "));
                world.findings().warning(
                    &directive.place,
                    directive.text(),
                    why,
                    "docs/headers.md lists the variables",
                );
            }
        }
    }
    if let Some(directive) = scope.one("expires") {
        expires(world, directive, route);
    }
}

fn expires(world: &mut World<'_>, directive: &Directive, route: &mut Table) {
    let time = directive.arg(0).trim_start_matches('+');
    let value = match time {
        "off" => return,
        "epoch" | "-1" => "no-cache".to_owned(),
        "max" => "max-age=315360000".to_owned(),
        _ => match crate::convert::units::milliseconds(time, 1000) {
            Some(ms) => format!("max-age={}", ms / 1000),
            None => {
                world.findings().warning(
                    &directive.place,
                    directive.text(),
                    "it is not carried over",
                    "set `cache-control` in `response_headers`",
                );
                return;
            }
        },
    };
    route.put(&["response_headers", "set", "cache-control"], value, &directive.place);
}
