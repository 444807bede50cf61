//! `GET /api/v1/routes`: the routes of all listeners, in the words of the configuration, with the requests that each has taken.

use std::sync::Arc;

use axum::extract;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{self, Answer};
use crate::snapshot::Listener;

/// The routes of each listener in the order of the file, and last what takes a request that no route takes.
pub(super) async fn routes(extract::State(shared): extract::State<Arc<Shared>>) -> Answer {
    let (snapshot, effective) = (shared.store.load(), (shared.effective.load().to_json)());
    let configured = effective["listener"].as_array().map_or(&[][..], Vec::as_slice);
    let all = snapshot.listeners.iter().flat_map(|listener| {
        let configured = configured.iter().find(|configured| configured["name"] == *listener.name);
        configured.map(|configured| of_listener(configured, listener)).unwrap_or_default()
    });
    answer::json(&all.collect())
}

fn of_listener(configured: &Value, listener: &Listener) -> Vec<Value> {
    let shown = |text: String, to: String, hits: u64| json!({ "listener": &*listener.name, "text": text, "to": to, "hits": hits });
    let routes = configured["route"].as_array().into_iter().flatten().zip(&listener.hits);
    let mut all: Vec<Value> =
        routes.map(|(route, hits)| shown(conditions(route), whole_target(route), hits.read())).collect();
    if let (Some(service), Some(route)) = (configured["service"].as_str(), &listener.default) {
        all.push(shown("all others".to_owned(), service.to_owned(), route.hits.read()));
    }
    all
}

/// What a request has to be like, such as `host a.example, path_prefix /v1, methods GET POST`. Values that carry credentials were masked.
fn conditions(route: &Value) -> String {
    let one = |key: &str| route[key].as_str().map(|value| format!("{key} {value}"));
    let methods: Vec<&str> = route["methods"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let methods = (!methods.is_empty()).then(|| format!("methods {}", methods.join(" ")));
    let pairs = |key: &str, what: &str| {
        let pairs = route[key].as_object().into_iter().flatten();
        pairs.map(|(name, value)| format!("{what} {name} = {}", value.as_str().unwrap_or_default())).collect::<Vec<_>>()
    };
    let all = ["host", "path", "path_prefix", "path_regex"].map(one).into_iter().flatten().chain(methods);
    let all: Vec<String> = all.chain(pairs("headers", "header")).chain(pairs("query", "query")).collect();
    if all.is_empty() { "every request".to_owned() } else { all.join(", ") }
}

/// What answers a request, and what gets copies of it, such as `api, 10% mirrored to next`.
fn whole_target(route: &Value) -> String {
    let (to, mirror) = (target(route), &route["mirror"]);
    match (mirror["service"].as_str(), mirror["share"].as_str()) {
        (Some(service), Some(share)) => format!("{to}, {share} mirrored to {service}"),
        _ => to,
    }
}

/// What answers a request, such as `api`, `api (weight 9), canary (weight 1)`, `redirect 308 to https://${host}${path}` or `respond 404`.
fn target(route: &Value) -> String {
    if let Some(service) = route["service"].as_str() {
        return service.to_owned();
    }
    if let Some(shares) = route["split"].as_array() {
        let share =
            |share: &Value| format!("{} (weight {})", share["service"].as_str().unwrap_or_default(), share["weight"]);
        return shares.iter().map(share).collect::<Vec<_>>().join(", ");
    }
    if let (Some(stable), Some(service)) = (route["canary"]["stable"].as_str(), route["canary"]["service"].as_str()) {
        return format!("{stable}, canary {service}");
    }
    match (&route["redirect"], &route["respond"]) {
        (Value::Null, respond) => format!("respond {}", respond["status"]),
        (redirect, _) => format!("redirect {} to {}", redirect["status"], redirect["to"].as_str().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_told_in_the_words_of_the_file() {
        let route = json!({
            "host": "*.example.com", "path_prefix": "/v1", "methods": ["GET", "POST"],
            "headers": { "x-env": "canary" }, "query": { "v": "2" },
            "split": [{ "service": "api", "weight": 9 }, { "service": "canary", "weight": 1 }],
        });
        assert_eq!(
            conditions(&route),
            "host *.example.com, path_prefix /v1, methods GET POST, header x-env = canary, query v = 2"
        );
        assert_eq!(target(&route), "api (weight 9), canary (weight 1)");
        let bare = json!({ "methods": [], "headers": {}, "query": {}, "redirect": { "to": "https://${host}${path}", "status": 308 } });
        assert_eq!((&*conditions(&bare), &*target(&bare)), ("every request", "redirect 308 to https://${host}${path}"));
        assert_eq!(target(&json!({ "respond": { "status": 404, "body": "" } })), "respond 404");
        assert_eq!(target(&json!({ "service": "api" })), "api");
        assert_eq!(whole_target(&json!({ "service": "api", "mirror": null })), "api");
        let mirrored = json!({ "service": "api", "mirror": { "service": "next", "share": "10%" } });
        assert_eq!(whole_target(&mirrored), "api, 10% mirrored to next");
        assert_eq!(target(&json!({ "canary": { "stable": "api", "service": "next" } })), "api, canary next");
    }
}
