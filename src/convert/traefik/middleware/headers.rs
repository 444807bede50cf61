//! The middleware `headers`: fields that are set and removed, those that keep pages safe, and CORS.

use super::{At, Chain};
use crate::convert::decision::Treatment;
use crate::convert::document::Node;
use crate::convert::output::{Output, Place, Value, literal};

/// Fields that belong to the connection, and that no route can change.
const FRAMING: [&str; 8] =
    ["content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive", "proxy-connection"];

/// A key of the route, its value, and where it comes from.
type Put = (Vec<String>, Value, Place);

/// Adds it.
pub fn add(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let mut puts: Vec<Put> = Vec::new();
    custom(out, at, &mut puts);
    safety(at, chain.tls, &mut puts);
    cors(out, at, &mut puts);
    hosts(out, at, chain);
    for key in ["sslRedirect", "sslTemporaryRedirect", "sslHost", "sslForceHost"] {
        if let Some(node) = at.node.get(key)
            && node.scalar() != Some("false")
        {
            let why = "redirects of this middleware were taken out of Traefik 3: it is left out";
            let advice = "a listener in clear with `[[listener.route]]` and `redirect = { to = \"https://${host}${path}${query}\" }`";
            out.findings.error(&node.place, format!("{}.{key}", at.what), why, advice);
        }
    }
    if let Some(node) = at.node.get("isDevelopment")
        && node.scalar() == Some("true")
    {
        out.findings.warning(
            &node.place,
            format!("{}.isDevelopment", at.what),
            "it is left out, and the fields are sent",
            "",
        );
    }
    at.node.get("sslProxyHeaders").into_iter().for_each(Node::seen);
    at.node.get("hostsProxyHeaders").into_iter().for_each(Node::seen);
    chain.change(at, move |treatment: &mut Treatment| {
        for (path, value, place) in &puts {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            if path.len() == 2 && path[1] == "remove" {
                treatment.table.push_from(&path, value.clone(), place);
            } else {
                treatment.table.put(&path, value.clone(), place);
            }
        }
    });
}

fn custom(out: &mut Output, at: &At<'_>, puts: &mut Vec<Put>) {
    for (key, ours) in [("customRequestHeaders", "request_headers"), ("customResponseHeaders", "response_headers")] {
        for (name, node) in at.node.below(key) {
            let (lower, value) = (name.to_ascii_lowercase(), node.scalar().unwrap_or_default());
            if FRAMING.contains(&lower.as_str()) {
                let why = "it belongs to the connection, or frames the message, and can't be changed";
                out.findings.warning(&node.place, format!("{}.{key}.{name}", at.what), why, "");
            } else if lower == "host" && ours == "request_headers" {
                puts.push((vec!["rewrite".into(), "host".into()], literal(value).into(), node.place.clone()));
            } else if value.is_empty() {
                puts.push((vec![ours.into(), "remove".into()], lower.into(), node.place.clone()));
            } else {
                puts.push((vec![ours.into(), "set".into(), lower], literal(value).into(), node.place.clone()));
            }
        }
    }
}

/// Fields that keep pages safe.
fn safety(at: &At<'_>, tls: bool, puts: &mut Vec<Put>) {
    let mut set = |name: &str, value: String, place: &Place| {
        puts.push((vec!["response_headers".into(), "set".into(), name.into()], literal(&value).into(), place.clone()));
    };
    let node = at.node;
    let force = node.flag("forceSTSHeader");
    let (subdomains, preload) = (node.flag("stsIncludeSubdomains"), node.flag("stsPreload"));
    if let Some(seconds) = node.get("stsSeconds")
        && seconds.scalar() != Some("0")
        && (tls || force)
    {
        let mut value = format!("max-age={}", seconds.scalar().unwrap_or_default());
        value.push_str(if subdomains { "; includeSubDomains" } else { "" });
        value.push_str(if preload { "; preload" } else { "" });
        set("strict-transport-security", value, &seconds.place);
    }
    if node.flag("frameDeny") {
        set("x-frame-options", "DENY".into(), &at.place);
    }
    if node.flag("contentTypeNosniff") {
        set("x-content-type-options", "nosniff".into(), &at.place);
    }
    if node.flag("browserXssFilter") {
        set("x-xss-protection", "1; mode=block".into(), &at.place);
    }
    for (key, name) in [
        ("customFrameOptionsValue", "x-frame-options"),
        ("customBrowserXSSValue", "x-xss-protection"),
        ("contentSecurityPolicy", "content-security-policy"),
        ("contentSecurityPolicyReportOnly", "content-security-policy-report-only"),
        ("publicKey", "public-key-pins"),
        ("referrerPolicy", "referrer-policy"),
        ("permissionsPolicy", "permissions-policy"),
        ("featurePolicy", "feature-policy"),
    ] {
        if let Some(value) = node.get(key)
            && let Some(text) = value.scalar().filter(|text| !text.is_empty())
        {
            set(name, text.to_owned(), &value.place);
        }
    }
}

fn cors(out: &mut Output, at: &At<'_>, puts: &mut Vec<Put>) {
    let node = at.node;
    let origins = node.texts("accessControlAllowOriginList");
    node.get("addVaryHeader");
    let lists = [
        ("accessControlAllowMethods", "methods"),
        ("accessControlAllowHeaders", "headers"),
        ("accessControlExposeHeaders", "expose"),
    ];
    let credentials = node.flag("accessControlAllowCredentials");
    let age = node.get("accessControlMaxAge");
    if let Some(regex) = node.get("accessControlAllowOriginListRegex") {
        regex.seen();
        let why = "origins are written out, and not matched by regular expressions: pages of these are not let in";
        out.findings.warning(
            &regex.place,
            format!("{}.accessControlAllowOriginListRegex", at.what),
            why,
            "`cors = { origins = [\"https://*.example.com\"] }`",
        );
    }
    let Some(list) = node.get("accessControlAllowOriginList").filter(|_| !origins.is_empty()) else {
        for (key, _) in lists {
            if let Some(node) = node.get(key) {
                out.findings.warning(
                    &node.place,
                    format!("{}.{key}", at.what),
                    "without a list of origins it is left out",
                    "`cors` of the route",
                );
            }
        }
        return;
    };
    let place = &list.place;
    let key = |name: &str| vec!["cors".to_owned(), name.to_owned()];
    let texts = |texts: Vec<&str>| Value::from(texts.into_iter().map(literal).collect::<Vec<_>>());
    let any = origins.contains(&"*");
    if any && credentials {
        let why = "credentials can't be allowed to pages of all origins: browsers refuse that; it is left out";
        out.findings.warning(place, &at.what, why, "name the origins");
    }
    puts.push((key("origins"), texts(origins), place.clone()));
    for (name, ours) in lists {
        let list = node.texts(name);
        if !list.is_empty() {
            let place = node.get(name).map_or(place, |node| &node.place).clone();
            puts.push((key(ours), texts(list), place));
        }
    }
    if credentials && !any {
        puts.push((key("credentials"), true.into(), place.clone()));
    }
    if let Some(age) = age
        && let Some(seconds) = age.scalar().and_then(|text| text.parse::<u64>().ok())
    {
        puts.push((key("max_age"), format!("{seconds}s").into(), age.place.clone()));
    }
}

/// `allowedHosts` refuses requests for other hosts, also where the rule of a router takes them.
fn hosts(out: &mut Output, at: &At<'_>, chain: &mut Chain) {
    let Some(node) = at.node.get("allowedHosts") else { return };
    if at.node.texts("allowedHosts").is_empty() {
        return;
    }
    let why = "hosts are what routes choose by: it is left out";
    out.findings.error(
        &node.place,
        format!("{}.allowedHosts", at.what),
        why,
        "give the routes a `host`, and leave out those without one",
    );
    chain.close(at);
}
