//! `basic_auth` and `forward_auth`: who may come in.

use std::rc::Rc;

use super::scope::{At, Scope};
use super::tree::Directive;
use super::{Conversion, left_out, proxy};
use crate::convert::decision::Step;
use crate::convert::output::{Table, literal};
use crate::convert::users;

/// Whether a directive asks something of clients.
pub fn protects(directive: &Directive) -> bool {
    let refuses = |text: &str| text.len() == 3 && text.starts_with(['4', '5']) && text.parse::<u16>().is_ok();
    match directive.word() {
        "basic_auth" | "basicauth" | "forward_auth" | "abort" | "error" | "invoke" => true,
        "respond" => directive.texts().into_iter().any(refuses),
        _ if is_block(directive) => directive.inner().iter().any(protects),
        _ => false,
    }
}

/// Whether it only holds other directives.
pub fn is_block(directive: &Directive) -> bool {
    matches!(directive.word(), "handle" | "handle_path" | "route")
}

/// `basic_auth [MATCHER] [HASH [REALM]] { USER HASH }`
pub fn basic(conversion: &mut Conversion, at: &At<'_>, scope: &mut Scope) -> Vec<Rc<Step>> {
    let out = &mut conversion.out;
    let user = |user: &Directive| users::User {
        name: user.word().to_owned(),
        hash: user.arg(0).unwrap_or_default().to_owned(),
        place: at.place().clone(),
    };
    let list: Vec<_> = at.directive.inner().iter().map(user).collect();
    let name = format!("line-{}", at.place().line);
    let Some(file) = users::written(out, &name, &list, (at.place(), at.word())) else {
        return vec![at.close()];
    };
    let mut basic = Table::default();
    basic.put(&["file"], literal(&file), at.place());
    if let Some(realm) = at.args.get(1) {
        basic.put(&["realm"], literal(realm), at.place());
    }
    // Caddy passes the field on
    basic.put(&["forward_authorization"], true, at.place());
    vec![ask(conversion, at, scope, "basic", basic)]
}

/// A second demand closes the route, because a route has one.
fn ask(conversion: &mut Conversion, at: &At<'_>, scope: &mut Scope, kind: &'static str, table: Table) -> Rc<Step> {
    if std::mem::replace(&mut scope.asks, true) {
        let why = "requests may be asked for credentials twice, and a route does once: those are closed";
        conversion.out.findings.warning(at.place(), at.word(), why, "see whether a route is CLOSED");
    }
    let place = at.place().clone();
    at.protect(move |treatment| {
        if treatment.table.get(&["auth"]).is_some() {
            treatment.closed = Some(place.clone());
        }
        treatment.table.put(&["auth", kind], table.clone(), &place);
    })
}

/// `forward_auth [MATCHER] UPSTREAM { uri, copy_headers }`
pub fn forward(conversion: &mut Conversion, at: &At<'_>, scope: &mut Scope) -> Vec<Rc<Step>> {
    let mut forward = Table::default();
    let mut rest = Vec::new();
    let mut copied: Vec<String> = Vec::new();
    for directive in at.directive.inner() {
        match directive.word() {
            "uri" => forward.put(&["path"], literal(directive.arg(0).unwrap_or("/")), directive.place()),
            "copy_headers" => {
                let listed = directive.texts().into_iter().chain(directive.inner().iter().map(Directive::word));
                for name in listed {
                    let (from, to) = name.split_once('>').unwrap_or((name, name));
                    if !from.eq_ignore_ascii_case(to) {
                        let why = format!(
                            "`{from}` can't be renamed to `{to}`: backends get `{from}`, and what clients say in `{to}` is passed on"
                        );
                        conversion.out.findings.error(directive.place(), "copy_headers", why, format!("remove `{to}` by `request_headers = {{ remove = [...] }}`, and have the backend read `{from}`"));
                    }
                    copied.push(from.to_ascii_lowercase());
                }
            }
            _ => rest.push(directive.clone()),
        }
    }
    let upstreams: Vec<&str> = at.args.clone();
    let Some(service) = proxy::service(conversion, at, "auth", &upstreams, &rest) else {
        conversion.out.findings.error(
            at.place(),
            "forward_auth",
            "its service can't be carried over: nobody comes in",
            "`auth = { forward = { service = ... } }`",
        );
        return vec![at.close()];
    };
    forward.put_first("service", service.name, at.place());
    if !copied.is_empty() {
        forward.put(&["response_headers"], copied, at.place());
    }
    let why = "the service gets `cookie` and `authorization` of the request's headers, and not all of them";
    left_out(
        &mut conversion.out,
        at.place(),
        "forward_auth",
        why,
        "name others that it needs in `request_headers` of `auth.forward`",
    );
    vec![ask(conversion, at, scope, "forward", forward)]
}
