//! Middlewares that say who may come in: passwords, another service, addresses.

use super::{At, Chain};
use crate::convert::decision::Treatment;
use crate::convert::document::Node;
use crate::convert::networks;
use crate::convert::output::{Output, Table, literal};
use crate::convert::text::Url;
use crate::convert::traefik::Conversion;
use crate::convert::users;

/// `basicAuth`
pub fn basic(conversion: &mut Conversion<'_>, at: &At<'_>, chain: &mut Chain) {
    let out = &mut conversion.out;
    let node = at.node;
    let remove = node.flag("removeHeader");
    let mut basic = Table::default();
    let file = match node.text("usersFile") {
        Some(file) => {
            if !node.texts("users").is_empty() {
                let why = "users stand in the file and in the configuration; those of the file come in";
                out.findings.warning(&at.place, &at.what, why, "add the others to the file");
            }
            users::in_file(out, file, conversion.files, &at.place, &at.what)
        }
        None => {
            let list: Vec<String> = match node.get("users").map(|users| &users.value) {
                Some(crate::convert::document::Value::List(items)) => {
                    items.iter().filter_map(Node::scalar).map(str::to_owned).collect()
                }
                Some(crate::convert::document::Value::Scalar(text)) => {
                    text.split(',').map(|user| user.trim().to_owned()).collect()
                }
                _ => Vec::new(),
            };
            let user = |(name, hash): (&str, &str)| users::User {
                name: name.to_owned(),
                hash: hash.to_owned(),
                place: at.place.clone(),
            };
            let list: Vec<_> = list.iter().filter_map(|text| text.split_once(':')).map(user).collect();
            users::written(out, &at.name, &list, (&at.place, &at.what))
        }
    };
    let Some(file) = file else {
        chain.close(at);
        return;
    };
    basic.put(&["file"], literal(&file), &at.place);
    basic.put(&["realm"], literal(node.text("realm").unwrap_or("traefik")), &at.place);
    if let Some(header) = node.text("headerField") {
        basic.put(&["user_header"], literal(&header.to_ascii_lowercase()), &at.place);
    }
    if !remove {
        basic.put(&["forward_authorization"], true, &at.place);
    }
    ask(out, at, chain, "basic", basic);
}

/// Puts what is asked of clients into the route; a second demand closes it, because a route has one.
fn ask(out: &mut Output, at: &At<'_>, chain: &mut Chain, kind: &'static str, table: Table) {
    if std::mem::replace(&mut chain.asks, true) {
        let why = "the router asks for credentials twice, and a route does once: it is closed";
        out.findings.error(&at.place, &at.what, why, "leave one of the two, and take the `deny` away");
        chain.close(at);
        return;
    }
    let place = at.place.clone();
    chain.protect(at, move |treatment: &mut Treatment| treatment.table.put(&["auth", kind], table.clone(), &place));
}

/// `forwardAuth`
pub fn forward(conversion: &mut Conversion<'_>, at: &At<'_>, chain: &mut Chain) {
    let node = at.node;
    let address = node.text("address").unwrap_or_default();
    let Some(url) = Url::parse(address).filter(|url| !url.host.is_empty()) else {
        conversion.out.findings.error(&at.place, &at.what, "its address can't be read: the router is closed", "");
        chain.close(at);
        return;
    };
    let service = conversion.service_names.unique(&format!("auth-{}", at.name));
    let at_address = node.get("address").map_or(&at.place, |node| &node.place).clone();
    let table = conversion.out.service(&service, &at.place);
    let mut backend = Table::at(&at_address);
    backend.put(&["address"], literal(&url.address()), &at_address);
    table.push(&["backend"], backend);
    if url.scheme == "https" {
        table.put(&["tls"], Table::default(), &at_address);
    }
    if let Some(tls) = node.get("tls") {
        for (key, ours) in [("ca", "ca"), ("cert", "cert"), ("key", "key")] {
            if let Some(file) = tls.get(key) {
                table.put(&["tls", ours], literal(file.scalar().unwrap_or_default()), &file.place);
            }
        }
        if tls.flag("insecureSkipVerify") {
            table.put(&["tls", "verify"], false, &tls.place);
        }
        tls.get("caOptional");
    }
    let mut forward = Table::default();
    forward.put(&["service"], service, &at.place);
    if !url.path.is_empty() && url.path != "/" {
        forward.put(&["path"], literal(&url.path), &at_address);
    }
    let lower = |names: Vec<&str>| names.iter().map(|name| literal(&name.to_ascii_lowercase())).collect::<Vec<_>>();
    headers_of(&mut conversion.out, at, &mut forward, &lower);
    let out = &mut conversion.out;
    if let Some(regex) =
        node.get("authResponseHeadersRegex").filter(|node| node.scalar().is_some_and(|text| !text.is_empty()))
    {
        let why = "headers for backends are named, and not matched: clients could say them themselves, so the router is closed";
        out.findings.error(
            &regex.place,
            format!("{}.authResponseHeadersRegex", at.what),
            why,
            "name them in `response_headers` of `auth.forward`, and take the `deny` away",
        );
        chain.close(at);
    }
    let why = "an answer other than 2xx, 401, 403 and redirects becomes 503; redirects, 401 and 403 reach the client as they are";
    out.findings.note(&at.place, &at.what, why, "docs/access.md");
    ask(out, at, chain, "forward", forward);
}

fn headers_of(out: &mut Output, at: &At<'_>, forward: &mut Table, lower: &dyn Fn(Vec<&str>) -> Vec<String>) {
    let node = at.node;
    let responses = node.texts("authResponseHeaders");
    if let Some(list) = node.get("authResponseHeaders").filter(|_| !responses.is_empty()) {
        forward.put(&["response_headers"], lower(responses), &list.place);
    }
    let mut requests = lower(node.texts("authRequestHeaders"));
    // these are sent in any case, as they should be believed
    requests.retain(|name| !name.starts_with("x-forwarded-") && name != "host");
    match node.get("authRequestHeaders").filter(|_| !requests.is_empty()) {
        Some(list) => forward.put(&["request_headers"], requests, &list.place),
        None => {
            let why = "the service gets `cookie` and `authorization` of the request's headers, and not all of them";
            out.findings.warning(
                &at.place,
                &at.what,
                why,
                "name others that it needs in `request_headers` of `auth.forward`",
            );
        }
    }
    if let Some(cookies) = node.get("addAuthCookiesToResponse") {
        cookies.seen();
        forward.put(&["client_headers"], vec!["set-cookie"], &cookies.place);
    }
    if let Some(trust) = node.get("trustForwardHeader").filter(|node| node.scalar() == Some("true")) {
        let why = "X-Forwarded-* of clients goes to it only from trusted_proxies";
        out.findings.note(&trust.place, format!("{}.trustForwardHeader", at.what), why, "");
    }
    for key in ["headerField", "forwardBody", "preserveLocationHeader", "preserveRequestMethod", "authSigninURL"] {
        if let Some(node) = node.get(key).filter(|node| node.scalar() != Some("false")) {
            out.findings.warning(
                &node.place,
                format!("{}.{key}", at.what),
                "it is left out",
                "docs/access.md says what is sent",
            );
        }
    }
    for key in ["maxBodySize", "maxResponseBodySize"] {
        node.get(key);
    }
}

/// `ipAllowList`, `ipWhiteList`
pub fn addresses(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let texts = at.node.texts("sourceRange");
    let nets: Vec<_> = texts.iter().filter_map(|text| networks::parse(text)).collect();
    if nets.len() < texts.len() || nets.is_empty() {
        out.findings.error(&at.place, &at.what, "one of the networks can't be read", "look at `allow` of the routes");
        if nets.is_empty() {
            chain.close(at);
            return;
        }
    }
    if let Some(code) = at.node.get("rejectStatusCode").filter(|node| node.scalar() != Some("403")) {
        out.findings.warning(&code.place, format!("{}.rejectStatusCode", at.what), "who may not come in gets 403", "");
    }
    let mut peer = true;
    if let Some(strategy) = at.node.get("ipStrategy") {
        let depth = strategy.text("depth").and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let excluded = strategy.texts("excludedIPs");
        strategy.get("ipv6Subnet");
        if depth > 0 || !excluded.is_empty() {
            peer = false;
            let why = "the address is whom X-Forwarded-For names last that is none of trusted_proxies, and not an entry at a depth";
            let advice = if excluded.is_empty() {
                "name the proxies in front in trusted_proxies: without that the list is about those proxies themselves"
                    .to_owned()
            } else {
                format!("trusted_proxies has to have {}", excluded.join(", "))
            };
            // a list that has the proxy in front in it would let in everybody, where nobody is trusted
            out.findings.error(&strategy.place, format!("{}.ipStrategy", at.what), why, advice);
        }
    }
    if peer && !chain.trusted.is_empty() {
        let why = "it is about the proxy in front, where forwardedHeaders.trustedIPs has one, and `allow` is about the client that this one names";
        // a list that has all of these proxies lets in whoever comes by them, and so asks less than ours
        if chain.trusted.iter().all(|proxy| nets.iter().any(|net| net.contains(proxy))) {
            let advice = "give `allow` the networks of clients that come by the proxy in front";
            out.findings.warning(&at.place, &at.what, why, advice);
        } else {
            let advice = "give `allow` the networks of clients, or take trusted_proxies away, and then the `deny`";
            out.findings.error(&at.place, &at.what, format!("{why}: the router is closed"), advice);
            chain.close(at);
            return;
        }
    }
    let place = at.place.clone();
    chain.protect(at, move |treatment: &mut Treatment| treatment.allow(&nets, &place));
}
